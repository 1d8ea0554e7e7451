"""LangSmith's runs, as its client, its exports and its bulk export to buckets give them.

prompt_tokens includes cached tokens and completion_tokens reasoning, for every provider; the
details say how many. Runs of chains and agents repeat the tokens of the models below them: they are
left out, by name.
"""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.answers import tier_of, usage_of
from netra_optimizer.usage.importers.attribution import attribution, tags_of
from netra_optimizer.usage.importers.base import (
    NO_MODEL,
    NO_TOKENS,
    NOT_A_CALL,
    Options,
    Outcome,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import tier_told
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_hash,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.span_names import provider_named
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import (
    canonical,
    content_id,
    first,
    has_count,
    mapping,
    milliseconds,
    moment,
    optional_moment,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_MARKS: Final = frozenset(
    {
        "trace_id", "parent_run_id", "dotted_order", "extra", "session_id", "inputs", "outputs",
        "child_run_ids", "reference_example_id", "prompt_tokens", "total_tokens", "total_cost",
    }
)  # fmt: skip
_CALLS: Final = {"llm": "chat", "embedding": "embeddings"}
_MODELS: Final = ("ls_model_name", "model", "model_name", "model_id", "deployment_name")


class LangSmithImporter(RowImporter):
    """One row a run; runs of models are calls."""

    name = "langsmith"
    title = "LangSmith runs"
    convention = "prompt_tokens includes cached tokens, completion_tokens reasoning"

    def score(self, rows: Rows) -> float:
        """By its column names."""
        names = set(rows.header) or {key for row in rows.sample[:8] for key in row}
        found = len(_MARKS & names)
        return 0.96 if names >= {"run_type", "start_time"} and found >= 3 else 0.0

    def read(self, row: Row, options: Options) -> Outcome:
        """One run."""
        operation = _CALLS.get(text(row.get("run_type")).lower())
        if operation is None:
            return NOT_A_CALL
        start = moment(row.get("start_time"), options.timezone)
        end = optional_moment(row.get("end_time"), options.timezone)
        spoken = optional_moment(row.get("first_token_time"), options.timezone)
        extra = mapping(row.get("extra"))
        metadata = mapping(extra.get("metadata"))
        asked = mapping(extra.get("invocation_params"))
        outputs = mapping(row.get("outputs"))
        model = text(first(metadata, _MODELS) or first(asked, _MODELS) or _answered(outputs))
        if not (model or options.model):
            return NO_MODEL
        error = text(row.get("error")).strip()
        failed = bool(error) or text(row.get("status")).lower() == "error"
        usage = _usage(row, outputs)
        tokens = tokens_of(usage) if usage and has_tokens(usage) else None
        if tokens is None:
            if not failed:
                return NO_TOKENS
            tokens = NOTHING
        request = {**asked, **mapping(row.get("inputs"))}
        prompt = prompt_text(request)
        tags = tags_of(row, metadata)
        size = len(prompt.encode("utf-8", "surrogatepass"))
        found = attribution(metadata, tags=tags)
        found["feature"] = found.get("feature") or text(row.get("name"))
        found["trace"] = text(row.get("trace_id"))
        return UsageRecord(
            id=text(row.get("id")) or content_id("langsmith", canonical(row)),
            start=start,
            model=model,
            provider=provider_named(text(metadata.get("ls_provider"))),
            operation=operation,
            service_tier=tier_of(
                tier_told(usage) or metadata.get("service_tier") or asked.get("service_tier")
            ),
            latency_ms=milliseconds(start, end),
            ttft_ms=milliseconds(start, spoken),
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **found,
            tags=tags,
            span=text(row.get("id")),
            parent=text(row.get("parent_run_id")),
            status="error" if failed else "ok",
            error_kind=(error[:80] or "error") if failed else "",
            params=request_params(request),
            prompt_hash=prompt_hash(request) if prompt else "",
            block_hashes=block_names(prompt) if prompt else (),
            block_tokens=tokens_a_block(size, tokens.input_tokens),
            cost_recorded=positive(row.get("total_cost")),
        )


def _answered(outputs: Mapping[str, Any]) -> object:
    """The model that the answer itself names."""
    return first(mapping(outputs.get("llm_output")), _MODELS) or first(outputs, _MODELS)


def _usage(row: Row, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run's own counts, else those of its answer. Any: values of each kind."""
    given = {name: row.get(name) for name in ("prompt_tokens", "completion_tokens")}
    if any(map(has_count, given.values())):
        return {
            **given,
            "total_tokens": row.get("total_tokens"),
            "prompt_tokens_details": mapping(row.get("prompt_token_details")),
            "completion_tokens_details": mapping(row.get("completion_token_details")),
        }
    return usage_of(outputs) or usage_of(_generated(outputs))


def _generated(outputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message that LangChain's tracer keeps within lists. Any: values of each kind."""
    found: object = outputs.get("generations")
    while isinstance(found, list) and found:
        found = found[0]
    message = mapping(mapping(found).get("message"))
    return mapping(message.get("kwargs")) or message
