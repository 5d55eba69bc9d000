# SPDX-License-Identifier: Apache-2.0
"""vkbench: measures whether a PCIe card stops its DMA before a panicking server jumps into its crash kernel."""

__version__ = "0.1.0"
