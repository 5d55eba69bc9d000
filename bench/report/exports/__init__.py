# SPDX-License-Identifier: Apache-2.0
"""A campaign for other programs: CI systems, OCP's tools, spreadsheets. docs/exports.md says what becomes what.

Each module has ``write(campaign, summary, path)``. Cycles are read one after the other and never kept; a file is there
whole or not at all. The same campaign gives the same bytes, on any machine and on any day.
"""
