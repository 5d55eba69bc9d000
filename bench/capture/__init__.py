# SPDX-License-Identifier: Apache-2.0
"""The capture: what the analyser recorded. Reads files and arrays only, never an instrument."""
