# SPDX-License-Identifier: Apache-2.0
"""``python -m vkbench``: the same as the command ``vkbench``."""

from vkbench.cli import main

if __name__ == "__main__":
    main()
