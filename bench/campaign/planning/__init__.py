# SPDX-License-Identifier: Apache-2.0
"""Plans: read, checked, ordered, estimated."""
