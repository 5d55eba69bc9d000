# SPDX-License-Identifier: Apache-2.0
"""The journal and what stands in it: entries, outcomes, whose fault, facts, and the view that everybody reads."""
