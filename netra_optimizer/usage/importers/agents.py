"""Sessions of coding agents that keep counts beside their messages.

| who | a call is | input | output |
|---|---|---|---|
| opencode | an assistant's message with `tokens` | without cached tokens | without reasoning, \
where its total says so; versions without a total had it inside, but not Gemini's |
| Gemini CLI | a message of type `gemini` with `tokens` | with cached tokens | without thoughts |
| Cline, Roo | a line `api_req_started`, its counts in JSON text | without cached tokens, but with \
them where Roo says `apiProtocol: openai` | with reasoning |
| Qwen Code | an assistant's line with `usageMetadata` | as Gemini counts | |
| `codex exec --json` | a turn, all its calls | with cached tokens | with reasoning |
| Aider | an event `message_send` of its analytics | with cached tokens | with reasoning |
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from netra_optimizer.usage.importers.answers import finish_reason
from netra_optimizer.usage.importers.base import (
    NO_MODEL,
    NO_TOKENS,
    NOT_A_CALL,
    Options,
    Outcome,
    RepeatingImporter,
)
from netra_optimizer.usage.importers.conventions import gemini_tokens, inclusive_tokens
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import tokens_of
from netra_optimizer.usage.importers.values import (
    content_id,
    count,
    first,
    mapping,
    milliseconds,
    moment,
    optional_moment,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_GEMINI: Final = {
    "input": "prompt_token_count", "output": "candidates_token_count", "total": "total_token_count",
    "cached": "cached_content_token_count", "thoughts": "thoughts_token_count",
    "tool": "tool_use_prompt_token_count",
}  # fmt: skip
"""What Gemini's CLI calls Gemini's counts."""
_TURN: Final = "turn.completed"
_ASKED: Final = "api_req_started"
_SENT: Final = "message_send"


class AgentSessionsImporter(RepeatingImporter):
    """Calls of opencode, Gemini CLI, Qwen Code, Cline, Roo and Aider."""

    name = "agents"
    title = "sessions of coding agents"
    convention = "as each agent counts: cached tokens beside the input, but inside Gemini's"

    def score(self, rows: Rows) -> float:
        """Sure by a message of one of them."""
        return 0.98 if any(map(_reader, rows.sample)) else 0.0

    def weight(self, call: Sequence[UsageRecord]) -> tuple[int, int]:
        """The later, with more said."""
        record = call[0]
        return record.output_text + record.reasoning, len(record.tool_names)

    def read(self, row: Row, options: Options) -> Outcome:
        """One message."""
        if (read := _reader(row)) is None:
            return NOT_A_CALL
        return read(_message(row), options)


def _message(row: Row) -> Row:
    """The message, also inside opencode's exports and the rows of its database."""
    if info := mapping(row.get("info")):
        return {**info}
    if "tokens" in (data := mapping(row.get("data"))):
        return {"sessionID": row.get("session_id"), "id": row.get("id"), **data}
    return row


def _reader(row: Row) -> Callable[[Row, Options], Outcome] | None:
    """The function that reads this agent's rows, None where it is no call."""
    message = _message(row)
    counts = mapping(message.get("tokens"))
    if "modelID" in message and "input" in counts and mapping(counts.get("cache")):
        return _opencode
    if message.get("type") == "gemini" and {"input", "output"} <= counts.keys():
        return _gemini
    if message.get("type") == "assistant" and mapping(message.get("usageMetadata")):
        return _qwen
    if message.get("type") == _TURN and mapping(message.get("usage")):
        return _turn
    if message.get("say") == _ASKED and "ts" in message:
        return _cline
    if message.get("event") == _SENT and "main_model" in mapping(message.get("properties")):
        return _aider
    return None


def _opencode(row: Row, options: Options) -> Outcome:
    counts, clock = mapping(row.get("tokens")), mapping(row.get("time"))
    cache, failed = mapping(counts.get("cache")), mapping(row.get("error"))
    start = moment(clock.get("created"), options.timezone)
    read, written = count(cache.get("read")), count(cache.get("write"))
    thoughts, total = count(counts.get("reasoning")), count(counts.get("total"))
    beside = thoughts if not total and "gemini" in text(row.get("modelID")).lower() else 0
    tokens = inclusive_tokens(
        {
            "prompt_tokens": count(counts.get("input")) + read + written,
            "completion_tokens": count(counts.get("output")) + beside,
            "total_tokens": total,
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "reasoning_tokens": thoughts,
        }
    )
    if tokens == NOTHING and not failed:
        return NO_TOKENS
    return UsageRecord(
        id=text(row.get("id")) or content_id("opencode", start, text(row)),
        model=text(row.get("modelID")),
        provider=text(row.get("providerID")),
        start=start,
        latency_ms=milliseconds(start, optional_moment(clock.get("completed"))),
        **_fields(tokens),
        feature=_folder(mapping(row.get("path")).get("cwd")),
        conversation=text(row.get("sessionID")),
        parent=text(row.get("parentID")),
        status="error" if failed else "ok",
        error_kind=text(failed.get("name")),
        finish_reason=finish_reason({"stop_reason": text(row.get("finish")).replace("-", "_")}),
        cost_recorded=positive(row.get("cost")) or None,  # nothing where it knows no price
    )


def _gemini(row: Row, options: Options) -> Outcome:
    said = mapping(row.get("tokens"))
    usage = {usual: said.get(own) for own, usual in _GEMINI.items()}
    apart = ("input", "output", "cached", "thoughts", "tool")
    if (cached := count(said.get("cached"))) and count(said.get("total")) == sum(
        count(said.get(name)) for name in apart
    ):
        usage["prompt_token_count"] = count(said.get("input")) + cached
    tokens = gemini_tokens(usage)
    model = text(row.get("model")) or options.model
    if not model:
        return NO_MODEL
    start = moment(row.get("timestamp"), options.timezone)
    calls = row.get("toolCalls")
    return UsageRecord(
        id=text(row.get("id")) or content_id("gemini_cli", start, text(said)),
        model=model,
        provider="google",
        start=start,
        **_fields(tokens),
        conversation=text(row.get("sessionId")),
        tool_names=tuple(
            dict.fromkeys(
                text(mapping(call).get("name")) for call in calls if mapping(call).get("name")
            )
        )
        if isinstance(calls, list)
        else (),
    )


def _qwen(row: Row, options: Options) -> Outcome:
    start = moment(row.get("timestamp"), options.timezone)
    model = text(row.get("model")) or options.model
    if not model:
        return NO_MODEL
    return UsageRecord(
        id=text(row.get("uuid")) or content_id("qwen", start, text(row)),
        model=model,
        start=start,
        **_fields(tokens_of(mapping(row.get("usageMetadata")))),
        feature=_folder(row.get("cwd")),
        conversation=text(row.get("sessionId")),
        parent=text(row.get("parentUuid")),
    )


def _turn(row: Row, options: Options) -> Outcome:
    """What `codex exec --json` says of a turn; it says neither when nor which model."""
    if not options.model:
        return NO_MODEL
    start = moment(first(row, ("timestamp",)) or options.start, options.timezone)
    return UsageRecord(
        id=content_id("codex", start, text(row)),
        model=options.model,
        provider="openai",
        start=start,
        **_fields(inclusive_tokens(mapping(row.get("usage")))),
    )


def _cline(row: Row, options: Options) -> Outcome:
    said, asked = mapping(row.get("text")), mapping(row.get("modelInfo"))
    model = text(first(asked, ("modelId",)) or first(said, ("model",))) or options.model
    start = moment(row.get("ts"), options.timezone)
    failed = text(said.get("cancelReason"))
    if said.get("tokensIn") is None and not failed:
        return NO_TOKENS
    if not model:
        return NO_MODEL
    inside = text(said.get("apiProtocol")) == "openai"
    read, written = count(said.get("cacheReads")), count(said.get("cacheWrites"))
    beside = 0 if inside else read + written
    tokens = inclusive_tokens(
        {
            "prompt_tokens": count(said.get("tokensIn")) + beside,
            "completion_tokens": said.get("tokensOut"),
            "cache_read_tokens": read,
            "cache_write_tokens": written,
        }
    )
    return UsageRecord(
        id=content_id("cline", start, text(row.get("text"))),
        model=model,
        provider=text(asked.get("providerId")),
        start=start,
        **_fields(tokens),
        status="error" if failed else "ok",
        error_kind=failed,
        cost_recorded=positive(said.get("cost")),
    )


def _aider(row: Row, options: Options) -> Outcome:
    said = mapping(row.get("properties"))
    start = moment(row.get("time"), options.timezone)
    return UsageRecord(
        id=content_id("aider", start, text(row)),
        model=text(said.get("main_model")),
        start=start,
        **_fields(inclusive_tokens(said)),
        user=text(row.get("user_id")),
        cost_recorded=positive(said.get("cost")),
    )


def _fields(tokens: Tokens) -> dict[str, Any]:
    """Counts by the names of a record's fields. Any: fields have types of their own."""
    return {name: getattr(tokens, name) for name in Tokens.__struct_fields__}


def _folder(path: object) -> str:
    return text(path).replace("\\", "/").rstrip("/").rpartition("/")[2]
