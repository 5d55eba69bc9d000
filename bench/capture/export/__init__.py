# SPDX-License-Identifier: Apache-2.0
"""Captures in the formats of other tools: VCD and FST (waveforms), Perfetto (traces), CSV and Parquet (tables).

Everything is written as the capture is read, so memory stays flat however large it is (docs/captures.md).
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from vkbench import errors
from vkbench.capture.batches import Source
from vkbench.capture.select import Filter

#: Format: module, function, usual ending of the file's name.
FORMATS = {
    "vcd": ("vcd", "write", ".vcd"),
    "fst": ("fst", "write", ".fst"),
    "perfetto": ("perfetto", "write", ".pftrace"),
    "csv": ("table", "write_csv", ".csv"),
    "parquet": ("table", "write_parquet", ".parquet"),
}


def export(source: Source, wanted: Filter, form: str, path: Path) -> None:
    """Write the wanted records to ``path``. ``form``: a key of FORMATS.

    Raises UserError when the format's library is not installed, CaptureError at a damaged block.
    """
    module, function, _ = FORMATS[form]
    write: Callable[[Source, Filter, Path], None] = getattr(import_module(f"{__name__}.{module}"), function)
    special = path.exists() and not path.is_file()  # a pipe, /dev/stdout
    target = path if special else path.with_name(f".{path.name}.tmp")
    try:
        write(source, wanted, target)
        if not special:
            target.replace(path)
    except ModuleNotFoundError as error:
        raise errors.UserError(
            f"{form} needs the Python package {error.name}, which is not installed",
            "",
            "Install it with: pip install 'vkbench[export]'",
        ) from None
    finally:
        if not special:
            target.unlink(missing_ok=True)
