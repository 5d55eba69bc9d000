# SPDX-License-Identifier: Apache-2.0
"""Campaigns: a registered plan of many runs on several benches, its journal, and what follows from it."""
