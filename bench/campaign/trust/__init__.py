# SPDX-License-Identifier: Apache-2.0
"""Seal, signature, and the verification by a stranger."""
