"""PostHog's events of calls: exports, answers of its API, and tables of its properties.

Cached tokens lie beside the input where `$ai_cache_reporting_exclusive` or the provider, Anthropic,
says so; for all others inside. Thoughts lie beside Gemini's output. An event is sent when its call
has ended.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.base import (
    NO_MODEL,
    NO_TOKENS,
    NOT_A_CALL,
    Options,
    Outcome,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import inclusive_tokens
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.values import (
    content_id,
    count,
    first,
    has_count,
    mapping,
    moment,
    number,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_CALLS: Final = {"$ai_generation": "chat", "$ai_embedding": "embeddings"}
_OWN: Final = "$ai_"
_HEAD: Final = "properties."
_COUNTS: Final = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "cache_creation_5m_input_tokens": "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens": "cache_creation_1h_input_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
_DAY_S: Final = 86_400


class PostHogImporter(RowImporter):
    """Events `$ai_generation` and `$ai_embedding`."""

    name = "posthog"
    title = "PostHog events of model calls"
    convention = "cached tokens inside the input, beside it for Anthropic or where the event says"

    def score(self, rows: Rows) -> float:
        """Sure by an event of a call, or by properties of its own that count tokens."""
        for row in rows.sample:
            said = _properties(row).keys()
            if said & {"input_tokens", "output_tokens"} or (said and row.get("event") in _CALLS):
                return 0.96
        return 0.0

    def read(self, row: Row, options: Options) -> Outcome:
        """One event."""
        said = _properties(row)
        event = text(row.get("event"))
        if not said or (event and event not in _CALLS):
            return NOT_A_CALL
        model = text(said.get("model")) or options.model
        if not model:
            return NO_MODEL
        failed = _failure(said)
        if not any(has_count(said.get(name)) for name in ("input_tokens", "output_tokens")):
            if not failed:
                return NO_TOKENS
            tokens = NOTHING
        else:
            tokens = _tokens(said)
        ended = moment(first(row, ("timestamp", "time", "created_at")), options.timezone)
        lasted = positive(said.get("latency"))
        start = ended - timedelta(seconds=min(lasted or 0.0, _DAY_S))
        waited = positive(said.get("time_to_first_token"))
        return UsageRecord(
            id=text(first(row, ("uuid", "id")) or said.get("generation_id"))
            or content_id("posthog", start, text(said)),
            start=start,
            model=model,
            provider=text(said.get("provider")),
            operation=_CALLS.get(event, "chat"),
            service_tier=tier_of(said.get("service_tier")),
            latency_ms=None if lasted is None else lasted * 1000,
            ttft_ms=None if waited is None else waited * 1000,
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            user=text(first(row, ("distinct_id",))),
            feature=text(said.get("span_name")),
            conversation=text(said.get("session_id")),
            trace=text(said.get("trace_id")),
            span=text(said.get("span_id")),
            parent=text(said.get("parent_id")),
            status="error" if failed else "ok",
            error_kind=failed,
            finish_reason=text(said.get("stop_reason")),
            cost_recorded=positive(said.get("total_cost_usd")),
        )


def _properties(row: Row) -> Mapping[str, Any]:
    """Its properties about calls, without what stands before their names. Any: its values."""
    held = mapping(row.get("properties")) or {
        name.removeprefix(_HEAD): value for name, value in row.items()
    }
    return {
        name.removeprefix(_OWN): value
        for name, value in held.items()
        if name.startswith(_OWN) and value is not None and value != ""
    }


def _failure(said: Mapping[str, Any]) -> str:
    status = number(said.get("http_status"))
    if status is not None and status >= 400:
        return f"http_{int(status)}"
    if text(said.get("is_error")).lower() == "true":
        told = mapping(said.get("error"))
        return text(first(told, ("type", "name")) or said.get("error"))[:80] or "error"
    return ""


def _tokens(said: Mapping[str, Any]) -> Tokens:
    usage = {usual: said.get(own) for usual, own in _COUNTS.items()}
    apart = text(said.get("cache_reporting_exclusive")).lower()
    named = f"{text(said.get('provider'))} {text(said.get('model'))}".lower()
    if apart == "true" or (not apart and ("anthropic" in named or "claude" in named)):
        split = sum(count(usage[f"cache_creation_{life}_input_tokens"]) for life in ("5m", "1h"))
        written = max(count(usage["cache_write_tokens"]), split)
        usage["prompt_tokens"] = (
            count(usage["prompt_tokens"]) + count(usage["cache_read_tokens"]) + written
        )
        usage["total_tokens"] = None
    if "gemini" in named and not has_count(usage["total_tokens"]):
        usage["completion_tokens"] = count(usage["completion_tokens"]) + count(
            usage["reasoning_tokens"]
        )
    return inclusive_tokens(usage)
