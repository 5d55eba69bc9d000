# SPDX-License-Identifier: Apache-2.0
"""Reads a bench file. Every mistake is named with file, line, what is wrong and what is allowed."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ValidationError

from vkbench.config import secrecy, toml_file
from vkbench.config.lines import key_lines
from vkbench.config.model import BenchFile, Secret
from vkbench.errors import BenchFileError

_HINT = "docs/bench-file.md describes every key."


def load(path: Path | str) -> BenchFile:
    """Read and check a bench file; its passwords are kept out of all output from now on. Raises BenchFileError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchFileError(
            [f"{path}: cannot be read: {error.strerror}"], "Name a bench file with --bench."
        ) from None
    bench = parse(data, path)
    secrecy.learn(bench)
    return bench


def parse(data: bytes, path: Path) -> BenchFile:
    """Check a bench file's bytes; ``path`` is for messages and for relative paths in it."""
    text, table = toml_file.read(data, path, BenchFileError)
    try:
        bench = BenchFile.model_validate(table)
    except ValidationError as error:
        lines = key_lines(text)
        problems = [toml_file.problem(BenchFile, path, lines, item, Secret) for item in error.errors()]
        raise BenchFileError(problems, _HINT) from None
    bench._path = path.absolute()
    bench._sha256 = hashlib.sha256(data).hexdigest()
    _set_folder(bench, bench._path.parent)
    return bench


def _set_folder(table: BaseModel, folder: Path) -> None:
    """Tell every table that holds a relative path where the bench file lies."""
    if "_folder" in table.__private_attributes__:
        table._folder = folder  # type: ignore[attr-defined]
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            _set_folder(value, folder)
