# SPDX-License-Identifier: Apache-2.0
"""What the cocotb test benches of the RTL share."""
