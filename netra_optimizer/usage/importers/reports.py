"""Reading of reports in time buckets, shared by the providers' usage APIs.

A file holds pages (`{"data": [bucket, …]}`), or buckets, or a JSON array of either; a bucket holds
`results`. In a table of the console each row is a result. The audit counts results.
"""

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from netra_optimizer.usage.importers.base import (
    COUNTED_BEFORE,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    RowRefused,
    chunk_of,
)
from netra_optimizer.usage.importers.pages import PagesRead
from netra_optimizer.usage.importers.values import (
    canonical,
    first,
    mapping,
    moment,
    optional_moment,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.json_text import MORE
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows

Result = Mapping[str, Any]
"""One result of a bucket; Any: each provider's own."""

CONSOLE_DAY: Final = "usage_date_utc"
STARTS: Final = (
    "start_time", "starting_at", "start_time_iso", CONSOLE_DAY, "aggregation_timestamp",
    "timestamp", "date",
)  # fmt: skip
_ROWS: Final = frozenset(
    {CONSOLE_DAY, "num_model_requests", "uncached_input_tokens", "n_context_tokens_total"}
)
"""Columns of tables in which a row is a bucket and its only result."""
ENDS: Final = ("end_time", "ending_at", "end_time_iso")
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_TIMES_OF: Final = frozenset({*STARTS, *ENDS, "object"})


_FIGURE: Final = re.compile(
    r"tokens|requests$|_count$|^n_|^num_|seconds$|characters$|images$|bytes$|cost|amount"
)
"""Columns that say how much; all others say of what."""


def row_name(result: Result, start: datetime, end: datetime, *what: str) -> str:
    """What a result is of, whatever its figures: its bucket's time and all it is grouped by.

    The same bucket exported again later has the same name. A bucket that is not over may end early,
    so its length counts by the minute, hour or days that it is of. What has an id may be renamed.
    """
    length = next((width for width in (_MINUTE, _HOUR, _DAY) if end - start <= width), end - start)
    grouped = {
        name: text(value).lower()
        for name, value in result.items()
        if name not in _TIMES_OF and not _FIGURE.search(name.lower())
        if value not in (None, "") and not isinstance(value, Mapping | list)
        if not (name.endswith("_name") and result.get(f"{name.removesuffix('_name')}_id"))
    }
    return canonical([*what, start.isoformat(), length.total_seconds(), grouped])


class ReportImporter(Importer):
    """Results of buckets into records that sum to them."""

    @abstractmethod
    def owns(self, result: Result) -> bool:
        """Whether a result is of this report."""

    @abstractmethod
    def records(
        self, result: Result, start: datetime, end: datetime, options: Options
    ) -> Iterator[UsageRecord]:
        """The records of one result. Raises RowRefused."""

    def score(self, rows: Rows) -> float:
        """Sure when a bucket, which has a time, holds a result of this report."""
        if not any(first(bucket, STARTS) for row in rows.sample for bucket in buckets(row)):
            return 0.0
        results = [found for row in rows.sample for found in _results(row)]
        if not results and any(map(_is_empty, rows.sample)):
            later = (row for row in rows.dicts() if isinstance(row, dict) and not _is_empty(row))
            results = _results(next(later, {}))
        return 0.98 if any(self.owns(result) for result in results[:50]) else 0.0

    def sums(self, rows: Rows) -> bool:
        """Always: a report is nothing else."""
        return True

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Results in chunks of about CHUNK_ROWS records."""
        held: list[UsageRecord] = []
        of: list[int] = []
        dropped: Counter[str] = Counter()
        kept = 0
        pages = PagesRead(rows.source)
        for row in rows.dicts():
            pages.follow()
            if isinstance(row, str):
                dropped[row] += 1
                continue
            for result, start, end, reason in _results_timed(row, pages, options):
                records, refused = self._read(result, start, end, reason, options)
                if refused:
                    dropped[refused] += 1
                    continue
                kept, place = kept + 1, kept
                for record in records:
                    held.append(record)
                    of.append(place)
                    if len(held) == CHUNK_ROWS:
                        yield _counted(held, of, dropped, kept)
                        held, of, dropped, kept, place = [], [], Counter(), 0, COUNTED_BEFORE
        pages.follow()
        last = _counted(held, of, dropped, kept)
        last.pages = pages.last
        yield last

    def _read(
        self,
        result: Result,
        start: datetime | None,
        end: datetime | None,
        reason: str,
        options: Options,
    ) -> tuple[Iterator[UsageRecord] | Sequence[UsageRecord], str]:
        if start is None or end is None:
            return (), reason
        try:
            return self.records(result, start, end, options), ""
        except RowRefused as refused:
            return (), refused.reason
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            return (), UNREADABLE


def _results(row: Row) -> list[Result]:
    return [found for bucket in buckets(row) for found in results_of(bucket)]


def is_bill(row: Row) -> bool:
    """Whether a row is of a provider's bill: amounts of money in buckets of time."""
    timed = any(first(bucket, STARTS) is not None for bucket in buckets(row))
    return timed and ("amount_value" in row or any("amount" in found for found in _results(row)))


def _is_empty(row: Row) -> bool:
    """Whether nothing was used in the time of a bucket."""
    return first(row, STARTS) is not None and first(row, ("results", "result")) == []


def buckets(row: Row) -> list[Mapping[str, Any]]:
    """The buckets of a page, or the row itself when it is one."""
    inner = row.get("data")
    if isinstance(inner, list):
        return [bucket for bucket in inner if isinstance(bucket, Mapping)]
    return [row]


def results_of(bucket: Mapping[str, Any]) -> list[Result]:
    """The results of a bucket."""
    if not _ROWS.isdisjoint(bucket):
        return [bucket]
    found = first(bucket, ("results", "result"))
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []


def kind_of(results: Sequence[Result]) -> str:
    """What a bucket's results are of; empty where it has none, or their report has no name."""
    return text(results[0].get("object")) if results else ""


def _results_timed(
    row: Row, pages: PagesRead, options: Options
) -> Iterator[tuple[Result, datetime | None, datetime | None, str]]:
    for bucket in buckets(row):
        start = end = None
        reason = ""
        try:
            start = moment(first(bucket, STARTS), options.timezone)
            end = optional_moment(first(bucket, ENDS), options.timezone)
            end = end or start + (_MINUTE if start.hour or start.minute else _DAY)
        except RowRefused as refused:
            reason = refused.reason
        results = results_of(bucket)
        pages.bucket(kind_of(results), start)
        for result in results:
            yield mapping(result), start, end, reason
    if isinstance(row.get("data"), list):
        pages.end(row.get(MORE))


def _counted(held: list[UsageRecord], of: list[int], dropped: Counter[str], kept: int) -> Chunk:
    chunk = chunk_of(held, dropped)
    chunk.kept, chunk.of = kept, of
    return chunk
