"""Spans as Datadog's LLM Observability and Braintrust have them: counts in an object `metrics`.

Both count cached tokens inside the input, for every provider.
"""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.attribution import attribution
from netra_optimizer.usage.importers.base import (
    NO_MODEL,
    NOT_A_CALL,
    Options,
    Outcome,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import inclusive_tokens
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens
from netra_optimizer.usage.importers.values import (
    content_id,
    first,
    mapping,
    milliseconds,
    moment,
    optional_moment,
    positive,
    text,
    texts,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_CALLS: Final = {"llm": "chat", "embedding": "embeddings"}
_KINDS: Final = frozenset(
    {
        *_CALLS, "agent", "workflow", "task", "tool", "retrieval", "experiment",
        "function", "score", "eval", "classifier", "review",
    }
)  # fmt: skip
_NAMES: Final = {
    "cache_write_input_tokens": "cache_write_tokens",
    "ephemeral_5m_input_tokens": "cache_write_5m_tokens",
    "ephemeral_1h_input_tokens": "cache_write_1h_tokens",
    "prompt_cache_creation_5m_tokens": "cache_write_5m_tokens",
    "prompt_cache_creation_1h_tokens": "cache_write_1h_tokens",
    "prompt_audio_tokens": "input_audio_tokens",
    "completion_audio_tokens": "output_audio_tokens",
    "prompt_image_tokens": "input_image_tokens",
    "completion_image_tokens": "output_image_tokens",
    "tokens": "total_tokens",
}
"""What they call what others call otherwise."""


class ToolSpansImporter(RowImporter):
    """Spans of models; those of agents, workflows and tools are no calls."""

    name = "tool_spans"
    title = "spans of Datadog's LLM Observability or Braintrust"
    convention = "cached tokens inside the input"

    def score(self, rows: Rows) -> float:
        """Sure by the kind of a span beside its metrics."""
        return 0.94 if any(map(_span, rows.sample)) else 0.0

    def read(self, row: Row, options: Options) -> Outcome:
        """One span."""
        span = _span(row)
        kind = _kind(span)
        if kind not in _CALLS:
            return NOT_A_CALL
        metrics, about = mapping(span.get("metrics")), _about(span)
        model = text(first(about, ("model_name", "model"))) or options.model
        if not model:
            return NO_MODEL
        failed = _failure(span)
        usage = {_NAMES.get(name, name): value for name, value in metrics.items()}
        tokens = NOTHING if failed and not has_tokens(usage) else inclusive_tokens(usage)
        tags = texts(span.get("tags") or ())
        start = moment(
            first(metrics, ("start",)) or first(span, ("start_ns", "start_ms", "start", "created")),
            options.timezone,
        )
        waited = positive(metrics.get("time_to_first_token"))
        who = attribution(span, about, tags=tags)
        who.pop("trace", None)
        named = text(mapping(span.get("span_attributes")).get("name"))
        who["feature"] = who.get("feature") or text(first(span, ("ml_app", "name"))) or named
        return UsageRecord(
            id=text(first(span, ("span_id", "id"))) or content_id("span", start, text(metrics)),
            start=start,
            model=model,
            provider=text(first(about, ("model_provider", "provider"))),
            operation=_CALLS[kind],
            service_tier="fast"
            if about.get("speed") == "fast"
            else tier_of(about.get("service_tier")),
            latency_ms=_took(span, metrics),
            ttft_ms=None if waited is None else waited * 1000,
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **who,
            trace=_trace(span),
            tags=tags,
            span=text(span.get("span_id")),
            parent=_parent(span),
            status="error" if failed else "ok",
            error_kind=failed,
            cost_recorded=positive(metrics.get("estimated_cost")),
        )


def _span(row: Row) -> Mapping[str, Any]:
    """The span, in Datadog's answers an entry's attributes; empty where it is none. Any: its own
    values.
    """
    held = mapping(row.get("attributes"))
    span = held if "span_kind" in held else row
    counted = isinstance(span.get("metrics"), Mapping) or mapping(span.get("metrics"))
    dated = ("start_ns" in span or "start_ms" in span) and mapping(span.get("meta"))
    return span if _kind(span) in _KINDS and (counted or dated) else {}


def _kind(span: Mapping[str, Any]) -> str:
    meta = mapping(span.get("meta"))
    kind = first(span, ("span_kind",)) or first(meta, ("kind", "span.kind"))
    if isinstance(kind, Mapping):
        kind = None
    return text(kind or mapping(span.get("span_attributes")).get("type")).lower()


def _about(span: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = mapping(span.get("meta"))
    layers = (span.get("metadata"), meta.get("metadata"), meta, span)
    return {key: value for layer in map(mapping, layers) for key, value in layer.items() if value}


def _failure(span: Mapping[str, Any]) -> str:
    error = span.get("error") or mapping(span.get("meta")).get("error")
    told = mapping(error)
    if told:
        return text(first(told, ("type", "name", "message")))[:80] or "error"
    if isinstance(error, str) and error.strip():
        return error.strip()[:80]
    return "error" if error or text(span.get("status")).lower() == "error" else ""


def _took(span: Mapping[str, Any], metrics: Mapping[str, Any]) -> float | None:
    lasted = positive(span.get("duration"))
    if lasted is not None:
        return lasted / 1e6
    return milliseconds(optional_moment(metrics.get("start")), optional_moment(metrics.get("end")))


def _trace(span: Mapping[str, Any]) -> str:
    return text(first(span, ("trace_id", "root_span_id")))


def _parent(span: Mapping[str, Any]) -> str:
    above = span.get("span_parents")
    found = above[0] if isinstance(above, list) and above else span.get("parent_id")
    return "" if found == "undefined" else text(found)
