"""Claude Code's session logs: one line an event, several lines an answer.

Usage is Anthropic's own: input_tokens excludes cache tokens. An answer is logged again while it
streams and when a session is resumed; lines of one message id and request id are one call, and the
one with most output counts. What `claude --output-format stream-json` prints is the same without
times; its last line sums up the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netra_optimizer.usage.importers.answers import (
    claude_seller,
    finish_reason,
    tier_of,
    tool_names,
)
from netra_optimizer.usage.importers.base import (
    NOT_A_CALL,
    Options,
    Outcome,
    Parts,
    RepeatingImporter,
)
from netra_optimizer.usage.importers.conventions import anthropic_tokens
from netra_optimizer.usage.importers.inner_calls import anthropic_inner, beside
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.values import (
    content_id,
    first,
    mapping,
    moment,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_SYNTHETIC: Final = "<synthetic>"
_SESSIONS: Final = ("sessionId", "session_id")
_AHEAD: Final = {"summary": "leafUuid", "file-history-snapshot": "messageId"}
"""Kinds of lines that may stand before the first message, and a key that each has."""


class ClaudeCodeImporter(RepeatingImporter):
    """Answers of the model, once each."""

    name = "claude_code"
    title = "Claude Code sessions"
    convention = "input_tokens excludes cache reads and writes"

    def score(self, rows: Rows) -> float:
        """Sure by sessions with messages."""
        for row in rows.sample:
            session = first(row, _SESSIONS)
            if mapping(row.get("message")) and session is not None and "uuid" in row:
                return 0.97
        kinds = [(row, text(row.get("type"))) for row in rows.sample]
        marks = (row.get(_AHEAD[kind]) for row, kind in kinds if kind in _AHEAD)
        return 0.9 if any(marks) else 0.0

    def weight(self, call: Sequence[UsageRecord]) -> tuple[int, int, int, str]:
        """The more was said the later was it logged."""
        record = call[0]
        spoken = record.output_text + record.reasoning
        return spoken, len(call), len(record.tool_names), record.span

    def read(self, row: Row, options: Options) -> Outcome | Parts:
        """One line: an answer, and what an advisor said for it."""
        row = _told_by_agent(row)
        message = mapping(row.get("message"))
        usage = mapping(message.get("usage"))
        model = text(message.get("model"))
        if row.get("type") != "assistant" or not usage or model == _SYNTHETIC:
            return NOT_A_CALL
        tokens = anthropic_tokens(usage)
        record = UsageRecord(
            id=_identity(row, message),
            start=moment(first(row, ("timestamp",)) or options.start, options.timezone),
            model=model,
            provider=claude_seller(model, text(message.get("id"))),
            service_tier="fast"
            if usage.get("speed") == "fast"
            else tier_of(usage.get("service_tier")),
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            feature=_project(row),
            tags=("sidechain",) if row.get("isSidechain") is True else (),
            conversation=text(first(row, _SESSIONS)),
            span=text(row.get("uuid")),
            parent=text(first(row, ("parentUuid", "parent_tool_use_id"))),
            status="error" if row.get("isApiErrorMessage") is True else "ok",
            finish_reason=finish_reason({"stop_reason": message.get("stop_reason")}),
            tool_names=tool_names(message),
            cost_recorded=positive(row.get("costUSD")),
        )
        inner = anthropic_inner(usage)
        return Parts([record, *beside(record, inner)]) if inner else record


def _told_by_agent(row: Row) -> Row:
    """The message of an agent below, as its parent's session logs it while it works."""
    told = mapping(row.get("data"))
    inner = mapping(told.get("message"))
    if row.get("type") != "progress" or told.get("type") != "agent_progress" or not inner:
        return row
    above = {name: row.get(name) for name in ("sessionId", "cwd", "timestamp")}
    return {**above, **inner, "isSidechain": True}


def _identity(row: Row, message: Mapping[str, Any]) -> str:
    name, request = text(message.get("id")), text(row.get("requestId"))
    if name:
        return f"{name}:{request}" if request else name
    return text(row.get("uuid")) or content_id("claude_code", text(message))


def _project(row: Row) -> str:
    return text(row.get("cwd")).replace("\\", "/").rstrip("/").rpartition("/")[2]
