# SPDX-License-Identifier: Apache-2.0
"""Fast Signal Trace, the compressed format of GTKWave and Surfer, written by GTKWave's own library (pylibfst)."""

from pathlib import Path
from typing import Any

from vkbench import errors
from vkbench.capture.batches import Source
from vkbench.capture.export.waves import SIGNALS, TEXT, TimeScale, Waves
from vkbench.capture.select import Filter

_SCOPE = b"capture"


def write(source: Source, wanted: Filter, path: Path) -> None:
    """Write an FST file. Raises OSError when it cannot be created."""
    from pylibfst import lib

    scale = TimeScale.of(source.header.clock_hz)
    path.open("wb").close()  # the library does not say why it cannot create a file
    context = lib.fstWriterCreate(str(path).encode(), 1)
    try:
        lib.fstWriterSetDate(context, b"")
        lib.fstWriterSetVersion(context, b"vkbench")
        comment = f"vkbench capture, {source.header.idn}; {scale.note}"
        lib.fstWriterSetComment(context, comment.encode())
        lib.fstWriterSetTimescale(context, scale.exponent)
        handles = _variables(lib, context)
        time = -1
        for cycle, signal, value in Waves(source, wanted).changes():
            now = scale.at(cycle)
            if now != time:
                time = now
                lib.fstWriterEmitTimeChange(context, now)
            handle, width = handles[signal], SIGNALS[signal].width
            if width == TEXT:
                text = str(value).encode()
                lib.fstWriterEmitVariableLengthValueChange(context, handle, text, len(text))
            else:
                lib.fstWriterEmitValueChange64(context, handle, width, value)
        if lib.fstWriterGetFseekFailed(context):
            raise errors.BenchError("cannot be written", str(path), "Is the disk full?")
    finally:
        lib.fstWriterClose(context)


def _variables(lib: Any, context: Any) -> list[int]:
    from pylibfst import ffi

    lib.fstWriterSetScope(context, lib.FST_ST_VCD_MODULE, _SCOPE, ffi.NULL)
    handles, scope = [], ""
    for signal in SIGNALS:
        if signal.scope != scope:
            if scope:
                lib.fstWriterSetUpscope(context)
            scope = signal.scope
            lib.fstWriterSetScope(context, lib.FST_ST_VCD_MODULE, scope.encode(), ffi.NULL)
        kind = lib.FST_VT_GEN_STRING if signal.width == TEXT else lib.FST_VT_VCD_WIRE
        handles.append(
            lib.fstWriterCreateVar(context, kind, lib.FST_VD_IMPLICIT, signal.width, signal.name.encode(), 0)
        )
    lib.fstWriterSetUpscope(context)
    lib.fstWriterSetUpscope(context)
    return handles
