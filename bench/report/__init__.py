# SPDX-License-Identifier: Apache-2.0
"""The report: one self-contained HTML file made from run directories."""

from vkbench.report.build import write_report

__all__ = ["write_report"]
