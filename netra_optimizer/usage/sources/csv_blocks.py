"""Blocks of CSV lines in columns of text, where they are written as most tables are."""

from collections import Counter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.sources.csv_text import WRONG_COLUMNS

_QUOTE: Final = ord('"')
_LINE_END: Final = ord("\n")
_LARGE: Final = 8 << 20
"""No block is so long but for a line that is: it would be held many times over."""


class OutOfTheOrdinary(Exception):
    """A block that only the reader of single records can tell."""


def table_of(
    block: bytes, header: tuple[str, ...], delimiter: str
) -> tuple[ArrowTable, Counter[str]]:
    """The block's lines in columns of text, and the lines left out by reason.

    No field holds a quote, a backslash or a control character. Raises OutOfTheOrdinary.
    """
    from csv import reader

    from pyarrow import csv

    if len(block) > _LARGE:
        raise OutOfTheOrdinary
    block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    dropped: Counter[str] = Counter()

    def broken(row: Any) -> str:
        (fields,) = reader([row.text], delimiter=delimiter) if row.text else ([],)
        if len(fields) > row.expected_columns and not any(fields[row.expected_columns :]):
            return "error"  # with nothing in its last fields it counts
        if row.text.strip():
            dropped[WRONG_COLUMNS] += 1
        return "skip"

    quoted = _quoted(block, delimiter)
    try:
        found = csv.read_csv(
            pa.BufferReader(block),
            read_options=csv.ReadOptions(
                column_names=header, use_threads=False, block_size=len(block) + 1
            ),
            parse_options=csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                invalid_row_handler=broken,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=False,
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        raise OutOfTheOrdinary from None
    return found.combine_chunks(), dropped


def _quoted(block: bytes, delimiter: str) -> bool:
    """Whether there are quotes, all of them around whole fields. Raises OutOfTheOrdinary."""
    held = np.frombuffer(block, np.uint8)
    mark = ord(delimiter)
    if b"\\" in block or ((held < 32) & (held != _LINE_END) & (held != mark)).any():
        raise OutOfTheOrdinary
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            raise OutOfTheOrdinary from None
    if b'"' not in block:
        return False
    places = np.flatnonzero(held == _QUOTE)
    opening, closing = places[::2], places[1::2]
    around = np.concatenate([[_LINE_END], held, [_LINE_END]])
    before, after = around[opening], around[closing + 2]
    lines = np.cumsum(held == _LINE_END)
    if (
        len(opening) != len(closing)
        or not ((before == mark) | (before == _LINE_END)).all()
        or not ((after == mark) | (after == _LINE_END)).all()
        or not (lines[opening] == lines[closing]).all()
    ):
        raise OutOfTheOrdinary
    return True
