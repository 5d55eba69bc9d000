# SPDX-License-Identifier: Apache-2.0
"""The verdict: a pure function of the files of a run directory (docs/rules.md)."""

from vkbench.verdict.judge import Verification, judge, judge_facts, load, verify, write_verdict
from vkbench.verdict.model import RuleResult, Verdict

__all__ = ["RuleResult", "Verdict", "Verification", "judge", "judge_facts", "load", "verify", "write_verdict"]
