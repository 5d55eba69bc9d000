# SPDX-License-Identifier: Apache-2.0
"""Value Change Dump (IEEE 1800, chapter 21.7), for GTKWave, Surfer, PulseView and most other waveform viewers."""

from itertools import chain
from pathlib import Path

from vcd import VCDWriter

from vkbench.capture.batches import Source
from vkbench.capture.export.waves import SIGNALS, TEXT, TimeScale, Waves
from vkbench.capture.select import Filter

_SCOPE = "capture"


def write(source: Source, wanted: Filter, path: Path) -> None:
    """Write a VCD file. Texts are of type ``string``, as GTKWave introduced it."""
    scale = TimeScale.of(source.header.clock_hz)
    changes = Waves(source, wanted).changes()
    first = next(changes, None)
    end = scale.at(first[0]) if first else 0
    with path.open("w", encoding="utf-8") as file:
        writer = VCDWriter(
            file,
            timescale=scale.unit,
            date="",
            comment=f"vkbench capture, {source.header.idn}; {scale.note}",
            check_values=False,
            init_timestamp=end,
        )
        variables = [
            writer.register_var(
                (_SCOPE, signal.scope),
                signal.name,
                "string" if signal.width == TEXT else "wire",
                size=signal.width or None,
            )
            for signal in SIGNALS
        ]
        for cycle, signal, value in chain([first] if first else [], changes):
            end = scale.at(cycle)
            writer.change(variables[signal], end, value)
        writer.close(end)
