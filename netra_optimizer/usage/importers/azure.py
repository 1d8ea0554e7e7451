"""Azure's published traces of LLM inference: TIMESTAMP, ContextTokens, GeneratedTokens.

ContextTokens counts the whole prompt; all of it is taken as uncached.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any, Final

import numpy as np
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray
from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.columns import count_array
from netra_optimizer.usage.importers.base import (
    NO_TOKENS,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    RowRefused,
)
from netra_optimizer.usage.importers.values import content_id, count, has_count, moment
from netra_optimizer.usage.importers.vectors import Strings, content_ids, counts, times
from netra_optimizer.usage.sources.csv_blocks import OutOfTheOrdinary, table_of
from netra_optimizer.usage.sources.rows import Row, Rows

_COLUMNS: Final = ("timestamp", "contexttokens", "generatedtokens")


class AzureImporter(Importer):
    """Times and lengths of a production service."""

    name = "azure"
    title = "Azure LLM inference trace"
    convention = "ContextTokens counts the whole prompt; all of it is taken as uncached"
    names_model = False

    def score(self, rows: Rows) -> float:
        """Sure by its three columns."""
        header = {name.lower() for name in rows.header}
        return 0.99 if rows.shape == "csv" and header.issuperset(_COLUMNS) else 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """A block of lines at a time; one out of the ordinary row by row."""
        places = _places(rows)
        names = [rows.header[place] for place in places]
        blocks = rows.blocks()
        for block in blocks:
            try:
                if len(set(rows.header)) < len(rows.header):
                    raise OutOfTheOrdinary
                table, dropped = table_of(block, rows.header, rows.delimiter)
                columns = [table.column(name).chunk(0) for name in names] if len(table) else None
            except OutOfTheOrdinary:
                found = rows.records_of(block, blocks)
                yield _single(enumerate(found), names, options.timezone, Counter())
                continue
            if columns:
                yield _plain(columns, options.timezone, dropped)
            else:
                yield Chunk(rows=0, columns={}, dropped=dropped)


def _places(rows: Rows) -> list[int]:
    header = [name.lower() for name in rows.header]
    return [header.index(name) for name in _COLUMNS]


def _plain(columns: list[ArrowArray], zone: tzinfo, dropped: Counter[str]) -> Chunk:
    """Rows that are just as published at once, the others one by one."""
    stamp, inputs, outputs = (Strings.of(column) for column in columns)
    start, timed = times(stamp, naive=str(zone) == "UTC")
    read, given, plain = counts(inputs)
    said, given_too, plain_too = counts(outputs)
    usual = timed & plain & plain_too & given & given_too
    odd = _single(
        (
            (place, dict(zip(_COLUMNS, (column[place].as_py() for column in columns), strict=True)))
            for place in np.flatnonzero(~usual).tolist()
        ),
        list(_COLUMNS),
        zone,
        dropped,
    )
    rows = np.flatnonzero(usual)
    numbers = [count_array(values[rows], pa.int64()) for values in (start, read, said)]
    parts = [part for number in numbers for part in ("\x1f", number.cast(pa.string()))]
    found: dict[str, Any] = {
        "id": content_ids(["azure", *parts], len(rows)),
        "start": start[rows],
        "input_uncached": read[rows],
        "output_text": said[rows],
    }
    if not odd.rows:
        return Chunk(rows=len(rows), columns=found, dropped=dropped)
    order = np.argsort(np.concatenate([rows, odd.columns["place"]]), kind="stable").tolist()
    found["id"] = found["id"].to_pylist()
    merged = {name: [*column, *odd.columns[name]] for name, column in found.items()}
    ordered = {name: [column[at] for at in order] for name, column in merged.items()}
    return Chunk(rows=len(order), columns=ordered, dropped=dropped)


def _single(
    rows: Iterable[tuple[int, Row | str]], names: list[str], zone: tzinfo, dropped: Counter[str]
) -> Chunk:
    """Numbered rows one by one; the column `place` says their numbers."""
    taken: list[tuple[Any, ...]] = []
    for place, row in rows:
        if isinstance(row, str):
            dropped[row] += 1
            continue
        try:
            taken.append((place, *_values([row[name] for name in names], zone)))
        except RowRefused as refused:
            dropped[refused.reason] += 1
        except (ValueError, OverflowError):
            dropped[UNREADABLE] += 1
    fields = ("place", "id", "start", "input_uncached", "output_text")
    columns: dict[str, Any] = dict(zip(fields, map(list, zip(*taken, strict=True)), strict=False))
    return Chunk(rows=len(taken), columns=columns, dropped=dropped)


def _values(fields: list[str], zone: tzinfo) -> tuple[str, int, int, int]:
    stamp, inputs, outputs = fields
    if not (has_count(inputs) and has_count(outputs)):
        raise RowRefused(NO_TOKENS)
    start = to_us(moment(stamp, zone))
    found = count(inputs), count(outputs)
    return content_id("azure", start, *found), start, *found
