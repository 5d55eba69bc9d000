# SPDX-License-Identifier: Apache-2.0
"""Benches that many people share, through labgrid's coordinator, exporters, places and reservations.

It runs in an environment of its own (fixtures/labgrid/setup.sh), because labgrid brings its own fork of pyserial; nothing
else of vkbench imports this package. ``resources`` and ``drivers`` are for labgrid's own environments, ``share`` is the
way from a place to a bench file.
"""
