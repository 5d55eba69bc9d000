# SPDX-License-Identifier: Apache-2.0
"""The virtual bench: QEMU as the server, the Verilated card in its slot, ipmi_sim as the BMC.

Nothing outside this package knows that a bench is virtual; only the command line calls it, by the bench file's provider.
"""
