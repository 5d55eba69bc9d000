# SPDX-License-Identifier: Apache-2.0
"""What a serial console adds to a program's output, and how it is taken away again."""

import re

#: Terminal escapes (ECMA-48): CSI, OSC ended by BEL or ST, and the two- and three-character ones.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[PX^_][^\x1b\n]*\x1b\\|[ -/]+[0-~]|[0-Z\\^-~])"
)
#: A message of the kernel: it begins wherever the cursor stands and ends its line (kernel/printk/printk.c print_prefix:
#: syslog level, time of 5.6 digits, caller).
_KERNEL = re.compile(r"(?:<\d{1,3}>)?\[ {0,5}\d{1,8}\.\d{6}\](?:\[ *[CT]\d+\])? ?[^\n]*\n")
_CONTROLS = dict.fromkeys(c for c in range(32) if c not in (0x09, 0x0A)) | {0x7F: None}


def clean(text: str) -> str:
    """The text without terminal escapes, carriage returns and other control characters."""
    text = text.replace("\r", "").replace("\0", "")
    while (less := _ESCAPES.sub("", text)) != text:  # an escape may stand within another
        text = less
    return text.translate(_CONTROLS)


def without_kernel(text: str) -> str:
    """Clean text without the kernel's dated messages; what they cut in two is whole again."""
    return _KERNEL.sub("", text)


def quoted(text: str) -> str:
    """As one word of a POSIX shell; always in quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
