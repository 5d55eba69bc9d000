# SPDX-License-Identifier: Apache-2.0
"""The server under test: its states, how it is driven, and the panic run."""
