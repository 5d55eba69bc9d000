# SPDX-License-Identifier: Apache-2.0
"""What a campaign shows: measures, counts, bounds, distributions, conformity, sentences."""
