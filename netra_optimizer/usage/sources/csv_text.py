"""CSV records out of lines, broken ones left out and counted."""

import csv
from collections.abc import Callable, Iterator
from typing import Final

from netra_optimizer.usage.sources.files import MAX_LINE

WRONG_COLUMNS: Final = "wrong_number_of_columns"
_MAX_LINES: Final = 2000
"""Lines one quoted field may span; beyond, a quote was left open."""
DELIMITERS: Final = (",", ";", "\t", "|")

csv.field_size_limit(MAX_LINE)


def delimiter_of(header: str) -> str:
    """The delimiter that splits the header into most columns."""
    return max(DELIMITERS, key=lambda mark: len(fields_of(header, mark)))


def fields_of(line: str, delimiter: str) -> list[str]:
    """The fields of one line; one that no reader can tell is a single field."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def records(
    lines: Iterator[bytes],
    columns: int,
    delimiter: str,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[list[str] | None]:
    """Records below the header with exactly `columns` fields; None for one that has not.

    A quote left open costs its own line alone: the lines behind it are read again. Between records
    `ended` is asked whether to stop there.
    """
    feed = _Feed(lines, ended)
    while True:
        reader = csv.reader(feed, delimiter=delimiter)
        try:
            for fields in reader:
                if not fields or (len(fields) == 1 and not fields[0].strip()):
                    feed.done()
                    continue
                if len(fields) > columns and not any(fields[columns:]):
                    del fields[columns:]
                if len(fields) == columns:
                    feed.done()
                    yield fields
                    continue
                yield None
                if feed.give_back():
                    break
            else:
                return
        except csv.Error:
            yield None
            feed.give_back()


class _Feed:
    """Lines for csv.reader, remembered until their record is accepted."""

    def __init__(self, lines: Iterator[bytes], ended: Callable[[], bool]) -> None:
        self._lines = lines
        self._ended = ended
        self._again: list[str] = []
        self._taken: list[str] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= _MAX_LINES:
            raise csv.Error("a quote was left open")
        if not self._taken and not self._again and self._ended():
            raise StopIteration
        line = self._again.pop() if self._again else self._read()
        self._taken.append(line)
        return line

    def _read(self) -> str:
        line = next(self._lines)
        if len(line) > MAX_LINE:  # parsed, it would take many times as much
            self._taken.append("\n")
            raise csv.Error("a line without end")
        return line.decode("utf-8", "replace").rstrip("\r") + "\n"

    def done(self) -> None:
        self._taken.clear()

    def give_back(self) -> bool:
        """Forget the first line of the record, put the others back; False when there are none."""
        behind = self._taken[1:]
        self._taken.clear()
        self._again.extend(reversed(behind))
        return bool(behind)
