# SPDX-License-Identifier: Apache-2.0
"""The capture layout (bench/capture/layout.py) under its own name, without that folder on the path: other modules
there have names of the standard library."""

from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[3] / "bench/capture/layout.py"
exec(compile(_SOURCE.read_text(), _SOURCE, "exec"))
