# SPDX-License-Identifier: Apache-2.0
"""A capture as a table, one row per record: CSV and Parquet, for pandas, Polars, DuckDB and spreadsheets.

The raw fields of the record stand first, unchanged; what they mean follows, empty where it does not apply.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.batches import TLP_KINDS, Batch, Source
from vkbench.capture.layout import Flag, Kind
from vkbench.capture.pairs import is_completion, tags
from vkbench.capture.select import Filter, has_address, selected
from vkbench.capture.show import TLP_NAMES, kind_name

ROWS = 1 << 15  # written together: of a Parquet file a row group
_COMPLETIONS = (Kind.CC, Kind.RC)


@dataclass(frozen=True)
class Column:
    """A column: its type as Arrow calls it, its values, and where it has any (None: everywhere)."""

    name: str
    type: str
    values: Callable[[Batch], Any]
    valid: Callable[[Batch], Any] | None = None


def _tlp(batch: Batch) -> Any:
    return rec.of_kind(batch.records, *TLP_KINDS)


def _completion(batch: Batch) -> Any:
    return is_completion(batch.records)


def _text(of: Callable[[Batch], Any], names: list[str]) -> Callable[[Batch], Any]:
    table = np.array(names, object)
    return lambda batch: table[of(batch)]


def _flag(flag: Flag) -> Callable[[Batch], Any]:
    return lambda batch: (batch.records["flags"] & flag) != 0


def _statuses() -> list[str]:
    records = rec.empty(8)
    records["header"][:, 1] = np.arange(8) << 13
    return [rec.completion_status(record) for record in records]


def _columns(source: Source) -> list[Column]:
    header = source.header

    def seconds(batch: Batch) -> Any:
        # The difference is exact as an integer; only then it becomes a float.
        cycles = batch.records["timestamp"] - np.uint64(header.trigger.time)
        return cycles.astype(np.int64) / header.clock_hz

    def byte_count(batch: Batch) -> Any:
        due = batch.records["header"][:, 1] & 0xFFF
        return np.where(due, due, 4096)

    def dword(number: int) -> Callable[[Batch], Any]:
        return lambda batch: batch.records["header"][:, number]

    return [
        Column("record", "int64", lambda batch: batch.numbers),
        Column("timestamp", "uint64", lambda batch: batch.records["timestamp"]),
        Column("kind", "uint8", lambda batch: batch.records["kind"]),
        Column("flags", "uint8", lambda batch: batch.records["flags"]),
        Column("aux", "uint16", lambda batch: batch.records["aux"]),
        Column("data", "uint32", lambda batch: batch.records["data"]),
        *(Column(f"dw{number}", "uint32", dword(number)) for number in range(4)),
        Column("seconds", "float64", seconds),
        Column("kind_name", "string", _text(lambda b: b.records["kind"], [kind_name(n) for n in range(256)])),
        Column("selftest", "bool", _flag(Flag.SELFTEST)),
        Column("count", "int64", lambda batch: rec.tlp_count(batch.records)),
        Column("run_start", "uint64", lambda batch: batch.since, lambda batch: batch.runs),
        Column("tlp", "string", _text(lambda b: b.records["header"][:, 0] >> 24, TLP_NAMES), _tlp),
        Column("address", "uint64", lambda b: rec.tlp_address(b.records), lambda b: has_address(b.records)),
        Column("length_dw", "uint32", lambda batch: rec.tlp_length(batch.records), _tlp),
        Column("requester", "uint16", lambda batch: rec.tlp_requester(batch.records), _tlp),
        Column("tag", "uint16", lambda batch: tags(batch.records), _tlp),
        Column("bar", "uint8", lambda b: rec.bar(b.records), lambda b: rec.of_kind(b.records, Kind.CQ)),
        Column("doorbell", "bool", _flag(Flag.DOORBELL), lambda b: rec.of_kind(b.records, Kind.CQ)),
        Column(
            "status", "string", _text(lambda b: b.records["header"][:, 1] >> 13 & 7, _statuses()), _completion
        ),
        Column("byte_count", "uint16", byte_count, _completion),
    ]


def write_csv(source: Source, wanted: Filter, path: Path) -> None:
    """Write a CSV file: commas, a line of names, numbers decimal, nothing where a value does not apply."""
    columns = _columns(source)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for batch in _pieces(source, wanted):
            writer.writerows(zip(*(_cells(column, batch) for column in columns), strict=True))


def write_parquet(source: Source, wanted: Filter, path: Path) -> None:
    """Write a Parquet file. Its key-value metadata ``vkbench`` is the capture's header as JSON."""
    import pyarrow as arrow
    from pyarrow import parquet

    columns = _columns(source)
    schema = arrow.schema(
        [arrow.field(c.name, arrow.type_for_alias(c.type), nullable=c.valid is not None) for c in columns],
        metadata={"vkbench": source.header.model_dump_json()},
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _pieces(source, wanted):
            arrays = []
            for column in columns:
                missing = None if column.valid is None else ~column.valid(batch)
                arrays.append(arrow.array(column.values(batch), schema.field(column.name).type, mask=missing))
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _pieces(source: Source, wanted: Filter) -> Iterator[Batch]:
    for batch in selected(source, wanted):
        for start in range(0, len(batch), ROWS):
            yield batch[slice(start, start + ROWS)]


def _cells(column: Column, batch: Batch) -> list[Any]:
    values = column.values(batch)
    if column.type == "bool":
        values = values.astype(np.uint8)
    if column.valid is None:
        return values.tolist()
    return np.where(column.valid(batch), values.astype(object), "").tolist()
