"""Codex's session logs: one line an event, the counts of each call in a line of their own.

input_tokens includes cached ones, output_tokens reasoning. The model stands in the turn's line
before; counts are logged again when limits change: lines with the same totals are one call.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.base import (
    DUPLICATE,
    NO_MODEL,
    NOT_A_CALL,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    Outcome,
    RowRefused,
    chunk_of,
)
from netra_optimizer.usage.importers.conventions import inclusive_tokens
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.values import (
    canonical,
    digest,
    first,
    mapping,
    moment,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows

_KINDS: Final = frozenset({"session_meta", "turn_context", "response_item", "event_msg"})


class CodexImporter(Importer):
    """Calls of a session, by its counts of tokens."""

    name = "codex"
    title = "Codex sessions"
    convention = "input_tokens includes cached_input_tokens"

    def score(self, rows: Rows) -> float:
        """Sure by a session's kinds of lines."""
        for row in rows.sample:
            if text(row.get("type")) in _KINDS and mapping(row.get("payload")):
                return 0.95
        return 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Calls in chunks of CHUNK_ROWS; the audit counts lines."""
        session = _Session(options)
        records: list[UsageRecord] = []
        dropped: Counter[str] = Counter()
        for row in rows.dicts():
            outcome = row if isinstance(row, str) else session.outcome(row)
            if isinstance(outcome, str):
                dropped[outcome] += 1
            else:
                records.append(outcome)
            if len(records) >= CHUNK_ROWS:
                yield chunk_of(records, dropped)
                records, dropped = [], Counter()
        yield chunk_of(records, dropped)


class _Session:
    """What the lines so far said of those to come."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._model = self._name = self._project = self._totals = ""

    def outcome(self, row: Row) -> Outcome:
        """The call that a line counts, or why it counts none."""
        try:
            return self._outcome(row)
        except RowRefused as refused:
            return refused.reason
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
            return UNREADABLE

    def _outcome(self, row: Row) -> Outcome:
        payload = mapping(row.get("payload"))
        self._model = text(payload.get("model")) or self._model
        self._project = text(payload.get("cwd")) or self._project
        if row.get("type") == "session_meta":
            self._name, self._totals = text(payload.get("id")), ""
        info = mapping(payload.get("info"))
        usage = mapping(info.get("last_token_usage"))
        if payload.get("type") != "token_count" or not usage:
            return NOT_A_CALL
        model = self._model or self._options.model
        if not model:
            return NO_MODEL
        totals = canonical(mapping(info.get("total_token_usage")))
        if totals == self._totals:
            return DUPLICATE
        self._totals = totals
        return self._record(row, usage, model, totals)

    def _record(self, row: Row, usage: Mapping[str, Any], model: str, totals: str) -> UsageRecord:
        start = moment(first(row, ("timestamp",)), self._options.timezone)
        tokens = inclusive_tokens(usage)
        return UsageRecord(
            id=digest("codex", self._name, start, totals),
            start=start,
            model=model,
            provider="openai",
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            feature=self._project.replace("\\", "/").rstrip("/").rpartition("/")[2],
            conversation=self._name,
        )
