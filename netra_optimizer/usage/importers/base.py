"""What an importer is: it recognizes a file and accounts for each of its rows."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, ClassVar, Final, TypeAlias

from netra_optimizer.usage.batch import START, Values, to_us
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, UNREADABLE_VALUES, Row, Rows

Outcome: TypeAlias = UsageRecord | str
"""One row's fate: a record, or the reason why it was left out."""

NO_TIME: Final = "no_time"
BAD_TIME: Final = "bad_time"
NO_MODEL: Final = "no_model"
NO_TOKENS: Final = "no_token_counts"
BAD_TOKENS: Final = "bad_token_counts"
NEGATIVE_TOKENS: Final = "negative_token_counts"
NOT_A_CALL: Final = "not_a_model_call"
DUPLICATE: Final = "duplicate"
COUNTED_BEFORE: Final = -1
FROM_CACHE: Final = "answered_by_gateway_cache"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user said about the files. Relative times end `now`, unless `start` is given."""

    now: datetime
    model: str = ""
    provider: str = ""
    start: datetime | None = None
    timezone: tzinfo
    mapping: Mapping[str, str] = field(default_factory=dict)
    latest_relative_us: int | None = None
    """Over all files of the import: the latest relative time, counted from the trace's zero."""


@dataclass(kw_only=True)
class Chunk:
    """Some records, and what became of the source's rows: read = kept + sum of dropped.

    `columns` hold USAGE_SCHEMA's columns by name (`start` in microseconds); those not named have
    their default.
    """

    rows: int
    columns: Mapping[str, Values]
    dropped: Counter[str] = field(default_factory=Counter)
    kept: int | None = None
    """Rows of the source the records came from, where that is another number."""
    of: Sequence[int] | None = None
    """The row each record came from, by its number in the chunk, where rows sum many requests;
    COUNTED_BEFORE where that row began in the chunk before."""
    pages: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    """The last page of each report so far (see Pages), where a file has pages."""


class Importer(ABC):
    """One format. Stateless: all state of a reading lives in the generator `chunks` returns."""

    name: ClassVar[str]
    """As `--format` takes it and as records name their source."""
    title: ClassVar[str]
    """For people."""
    convention: ClassVar[str]
    """How the source counts cached tokens, and so how its counts become disjoint."""
    names_model: ClassVar[bool] = True
    """Whether rows say which model answered; else `--model` is needed."""

    @abstractmethod
    def score(self, rows: Rows) -> float:
        """How sure it is that the file is its own: 0 (is not) to 1 (cannot be another)."""

    @abstractmethod
    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """All rows of the file. Raises InputError when a column is missing altogether."""

    def require_columns(self, rows: Rows, options: Options) -> None:
        """Raises InputError when a column is missing altogether."""
        return None

    def sums(self, rows: Rows) -> bool:
        """Whether rows may sum requests and come again with larger figures."""
        return False

    def latest_relative_us(self, rows: Rows) -> int | None:
        """The latest time in the file when its times are relative, else None."""
        return None


class RowImporter(Importer):
    """An importer that reads one row at a time."""

    @abstractmethod
    def read(self, row: Row, options: Options) -> Outcome | Sequence[Outcome]:
        """The record of a row, its records, or why there is none."""

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Rows in chunks of CHUNK_ROWS."""
        yield from self.row_by_row(rows.dicts(), options)

    def row_by_row(self, rows: Iterable[Row | str], options: Options) -> Iterator[Chunk]:
        """Chunks of about CHUNK_ROWS records of these rows, one of which may sum very many."""
        held = Held()
        for row in rows:
            held.add(self.outcomes(row, options))
            if len(held.records) >= CHUNK_ROWS:
                yield held.chunk()
                held = Held()
        if held.records or held.dropped:
            yield held.chunk()

    def chunk(self, rows: Iterable[Row | str], options: Options) -> Chunk:
        """One chunk of all these rows."""
        held = Held()
        for row in rows:
            held.add(self.outcomes(row, options))
        return held.chunk()

    def outcomes(self, row: Row | str, options: Options) -> Sequence[Outcome]:
        """Never raises: a row that breaks the reader is a row left out."""
        if isinstance(row, str):
            return (row,)
        try:
            found = self.read(row, options)
        except RowRefused as refused:
            return (refused.reason,)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
            return (UNREADABLE,)
        return (found,) if isinstance(found, str | UsageRecord) else found


class Parts(list[UsageRecord]):
    """The records of one row that tells of several calls: to the audit they are one."""


class Held:
    """What became of rows since the latest chunk."""

    def __init__(self, dropped: Counter[str] | None = None) -> None:
        self.records: list[UsageRecord] = []
        self.dropped: Counter[str] = Counter() if dropped is None else dropped
        self._of: list[int] = []
        self._kept = 0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of one row; Parts are one to the audit."""
        summed = isinstance(outcomes, Parts)
        for outcome in outcomes:
            if isinstance(outcome, str):
                self.dropped[outcome] += 1
                continue
            self.records.append(outcome)
            self._of.append(self._kept)
            self._kept += not summed
        self._kept += summed

    def chunk(self) -> Chunk:
        """All that was added."""
        chunk = chunk_of(self.records, self.dropped)
        if self._kept < len(self.records):
            chunk.kept, chunk.of = self._kept, self._of
        return chunk


class RepeatingImporter(RowImporter):
    """An importer of logs that write a call down again while it goes on."""

    @abstractmethod
    def weight(self, call: Sequence[UsageRecord]) -> tuple[Any, ...]:
        """Of the rows of one call the one that weighs most counts. Any: compared with its like."""

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Calls as soon as CHUNK_ROWS others came after them."""
        held: dict[str, Sequence[UsageRecord]] = {}
        dropped: Counter[str] = Counter()
        for at, row in enumerate(rows.dicts()):
            outcomes = self.outcomes(row, options)
            call = [found for found in outcomes if isinstance(found, UsageRecord)]
            if len(call) < len(outcomes):
                dropped.update(reason for reason in outcomes if isinstance(reason, str))
            if not call:
                continue
            name = call[0].id
            if name.startswith(CONTENT_ID):  # equal rows are calls of their own
                name = f"{name}/{at}"
            if (known := held.get(name)) is not None:
                dropped[DUPLICATE] += 1
                call = max(known, call, key=self.weight)
            held[name] = call
            if len(held) >= 2 * CHUNK_ROWS:
                yield _chunk_of_calls([held.pop(name) for name in list(held)[:CHUNK_ROWS]], dropped)
                dropped = Counter()
        yield _chunk_of_calls(held.values(), dropped)


def _chunk_of_calls(calls: Collection[Sequence[UsageRecord]], dropped: Counter[str]) -> Chunk:
    if all([len(call) == 1 for call in calls]):
        return chunk_of([call[0] for call in calls], dropped)
    held = Held(dropped)
    for call in calls:
        held.add(call if len(call) == 1 else Parts(call))
    return held.chunk()


UNREADABLE: Final = UNREADABLE_VALUES
CONTENT_ID: Final = "row:"
"""Begins every id made from a row's content."""


class RowRefused(Exception):
    """A row that cannot be used, with the reason for the audit."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def chunk_of(records: Sequence[UsageRecord], dropped: Counter[str]) -> Chunk:
    """A chunk in columns."""
    columns: dict[str, Any] = {
        name: [getattr(record, name) for record in records]
        for name in UsageRecord.__struct_fields__
        if name != START
    }
    columns[START] = [to_us(record.start) for record in records]
    return Chunk(rows=len(records), columns=columns, dropped=dropped)
