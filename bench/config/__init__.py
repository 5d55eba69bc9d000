# SPDX-License-Identifier: Apache-2.0
"""The bench file: one TOML file a bench (docs/bench-file.md)."""

from vkbench.config.load import load, parse
from vkbench.config.model import BenchFile, Secret

__all__ = ["BenchFile", "Secret", "load", "parse"]
