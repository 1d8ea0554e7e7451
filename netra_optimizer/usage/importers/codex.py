"""Codex's session logs: one line an event, the counts of each call in a line of their own.

input_tokens includes cached ones, output_tokens reasoning. The model stands in the turn's line
before; counts are logged again when limits change: lines with the same totals are one call. A
session that was forked, or works for another one, may begin with a copy of the other's lines, dated
anew or not, and with copies of copies. A call is named by its turn and the session's totals, which
copies keep, so that it is one call wherever it stands. Turns that have no name of their own in the
logs of older versions are named by their session: what was copied is the other's until a pause.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from netra_optimizer.usage.importers.base import (
    DUPLICATE,
    NO_MODEL,
    NO_TOKENS,
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
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.values import (
    canonical,
    count,
    digest,
    first,
    mapping,
    moment,
    optional_moment,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows

_PAUSE: Final = timedelta(seconds=2)
"""Copies are written at once, and an answer takes longer."""
_MADE_IN: Final = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?7[0-9a-f]{3}-?[0-9a-f-]{16,17}")
"""Names that tell in which millisecond they were made (UUID, version 7)."""
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
        self._model = self._name = self._project = self._file = self._turn = ""
        self._provider = "openai"
        self._totals: Mapping[str, Any] = {}
        self._copying = False
        """Whether what is read was copied from the session above this file's own."""
        self._born: datetime | None = None
        self._begun: datetime | None = None
        self._latest: datetime | None = None

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
        now = optional_moment(row.get("timestamp"), self._options.timezone)
        if row.get("type") == "session_meta":
            self._begin(payload, now)
        self._listen(now, text(payload.get("turn_id")))
        info = mapping(payload.get("info"))
        totals = mapping(info.get("total_token_usage"))
        usage = mapping(info.get("last_token_usage")) or _grown(totals, self._totals)
        if payload.get("type") != "token_count" or not usage:
            return NOT_A_CALL
        model = self._model or self._options.model
        if not model:
            return NO_MODEL
        if totals and totals == self._totals:
            return DUPLICATE
        self._totals = totals
        return self._record(row, usage, model, totals)

    def _listen(self, now: datetime | None, turn: str) -> None:
        """A turn made after the session ends what was copied; where turns are nameless a pause."""
        if (made := _made(turn)) is not None:
            self._turn, self._begun = turn, made
        if not self._copying:
            return
        if self._begun is not None:
            self._copying = self._born is not None and self._begun < self._born
        elif now is not None and (self._born is None or now >= self._born):
            self._copying = self._latest is None or now - self._latest < _PAUSE
            self._latest = now
        if not self._copying:
            self._name = self._file

    def _begin(self, payload: Mapping[str, Any], now: datetime | None) -> None:
        self._provider = text(payload.get("model_provider")) or self._provider
        before, name, above = self._name, text(payload.get("id")), _above(payload)
        if self._copying and name != self._file:  # the session that is copied names itself
            self._name = name or before
        elif above and name != self._file:
            self._name, self._file, self._copying = above, name, True
            self._born = _made(name) or optional_moment(payload.get("timestamp")) or now
            self._turn, self._begun, self._latest = "", None, None
        else:
            self._name, self._file, self._copying = name, name, False
            self._turn = self._turn if name == before else ""
        if self._name != before:
            self._totals = {}

    def _record(
        self, row: Row, usage: Mapping[str, Any], model: str, totals: Mapping[str, Any]
    ) -> UsageRecord:
        start = moment(first(row, ("timestamp",)), self._options.timezone)
        tokens = inclusive_tokens(usage)
        if tokens == NOTHING:
            raise RowRefused(NO_TOKENS)
        whose = self._turn or self._name
        when = "" if whose and totals else start
        if self._copying and self._begun and self._born and start >= self._born:
            start = self._begun  # it was dated anew
        return UsageRecord(
            id=digest("codex", whose, when, canonical(totals), canonical(usage)),
            start=start,
            model=model,
            provider=self._provider,
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            feature=self._project.replace("\\", "/").rstrip("/").rpartition("/")[2],
            conversation=self._name,
        )


def _above(payload: Mapping[str, Any]) -> str:
    """The session that this one was forked from or works for."""
    source = mapping(payload.get("source"))
    spawned = mapping(mapping(source.get("subagent")).get("thread_spawn"))
    return text(first(payload, ("forked_from_id", "parent_thread_id"))) or text(
        spawned.get("parent_thread_id")
    )


def _made(name: str) -> datetime | None:
    """When a name was made, None where it does not tell."""
    found = _MADE_IN.fullmatch(name.lower())
    return optional_moment(int("".join(found.groups()), 16)) if found else None


def _grown(totals: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    """By how much the totals grew, for versions that state no call's own counts."""
    if not totals:
        return {}
    grown = {name: count(value) - count(before.get(name)) for name, value in totals.items()}
    return totals if min(grown.values()) < 0 else grown
