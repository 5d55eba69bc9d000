# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out: conductor, a worker for each bench, resume, conclusion."""
