"""Langfuse's export of observations: JSON, JSON Lines or CSV.

usage_details keep every kind of token apart: `input` excludes what was cached, `output` excludes
reasoning. Where a total is given and says otherwise (input + output alone make it), the parts lie
inside. Observations that are no generation or embedding are left out, by name.
"""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.answers import finish_reason, tier_of
from netra_optimizer.usage.importers.attribution import attribution, tags_of
from netra_optimizer.usage.importers.base import (
    NO_MODEL,
    NO_TOKENS,
    NOT_A_CALL,
    Options,
    Outcome,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import whole_tokens
from netra_optimizer.usage.importers.prompts import block_names, prompt_text, tokens_a_block
from netra_optimizer.usage.importers.tokens import NOTHING, Dividing, Tokens
from netra_optimizer.usage.importers.values import (
    canonical,
    content_id,
    count,
    digest,
    first,
    has_count,
    json_or,
    mapping,
    milliseconds,
    moment,
    optional_moment,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_CALLS: Final = {"GENERATION": "chat", "EMBEDDING": "embeddings"}
_MARKS: Final = frozenset(
    {
        "traceid", "type", "starttime", "parentobservationid", "level", "statusmessage",
        "usagedetails", "costdetails", "completionstarttime", "modelparameters",
        "calculatedtotalcost",
        "providedmodelname", "environment", "promptname", "internalmodelid",
    }
)  # fmt: skip


class LangfuseImporter(RowImporter):
    """One row an observation; generations and embeddings are calls."""

    name = "langfuse"
    title = "Langfuse observations"
    convention = "usage_details are disjoint: input excludes cached, output excludes reasoning"

    def score(self, rows: Rows) -> float:
        """By its column names, in either spelling."""
        names = {_plain(name) for row in rows.sample[:8] for name in row}
        if not names >= {"type", "starttime"} or not names & {"traceid", "parentobservationid"}:
            return 0.0
        return min(0.97, 0.15 * len(_MARKS & names))

    def read(self, row: Row, options: Options) -> Outcome:
        """One observation."""
        seen = {_plain(name): value for name, value in row.items()}
        kind = text(seen.get("type")).upper()
        if kind not in _CALLS:
            return NOT_A_CALL
        start = moment(seen.get("starttime"), options.timezone)
        end = optional_moment(seen.get("endtime"), options.timezone)
        spoken = optional_moment(seen.get("completionstarttime"), options.timezone)
        model = text(first(seen, ("providedmodelname", "model", "modelname")))
        if not (model or options.model):
            return NO_MODEL
        failed = text(seen.get("level")).upper() == "ERROR"
        tokens = _tokens(seen)
        if tokens is None:
            if not failed:
                return NO_TOKENS
            tokens = NOTHING
        metadata = mapping(seen.get("metadata"))
        tags = tags_of(seen, metadata)
        asked = _input(seen.get("input"))
        prompt = prompt_text(asked)
        params = mapping(seen.get("modelparameters"))
        found = attribution(_who(seen), metadata, tags=tags)
        found["feature"] = found.get("feature") or text(first(seen, ("tracename", "name")))
        return UsageRecord(
            id=text(seen.get("id")) or content_id("langfuse", canonical(row)),
            start=start,
            model=model,
            provider=text(first(metadata, ("ls_provider", "provider"))),
            operation=_CALLS[kind],
            service_tier=tier_of(params.get("service_tier") or metadata.get("service_tier")),
            latency_ms=milliseconds(start, end) or _seconds(seen.get("latency")),
            ttft_ms=milliseconds(start, spoken) or _seconds(seen.get("timetofirsttoken")),
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **found,
            tags=tags,
            span=text(seen.get("id")),
            parent=text(seen.get("parentobservationid")),
            status="error" if failed else "ok",
            error_kind=(text(seen.get("statusmessage"))[:80] or "error") if failed else "",
            params=canonical(params) if params else "",
            prompt_hash=digest("prompt", canonical(asked), canonical(params)) if prompt else "",
            block_hashes=block_names(prompt) if prompt else (),
            block_tokens=tokens_a_block(len(prompt.encode("utf-8", "replace")), tokens.input_tokens)
            if prompt
            else 0,
            finish_reason=finish_reason(mapping(seen.get("output"))),
            cost_recorded=_cost(seen),
        )


def _plain(name: str) -> str:
    return name.replace("_", "").replace(" ", "").lower()


def _who(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user": seen.get("userid") or seen.get("user"),
        "conversation": seen.get("sessionid"),
        "trace_id": seen.get("traceid"),
    }


def _input(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = json_or(value, value)
    if isinstance(value, Mapping):
        return value
    return {"messages": value} if value else {}


def _tokens(seen: Mapping[str, Any]) -> Tokens | None:
    details = mapping(first(seen, ("usagedetails",)))
    if not any(has_count(value) for value in details.values()):
        return _plain_tokens(seen)
    parts: dict[str, int] = {}
    for key, value in details.items():
        if key not in ("input", "output", "total") and (bucket := _bucket(key)):
            parts[bucket] = parts.get(bucket, 0) + count(value)
    inputs, outputs = count(_either(details, "input")), count(_either(details, "output"))
    total = count(details.get("total"))
    if total and total == inputs + outputs and parts:
        left, right = Dividing(inputs), Dividing(outputs)
        parts = {
            bucket: (right if bucket in _OUTPUTS else left).take(tokens)
            for bucket, tokens in parts.items()
        }
        inputs, outputs = left.rest, right.rest
    return Tokens(input_uncached=inputs, output_text=outputs, **parts)


def _plain_tokens(seen: Mapping[str, Any]) -> Tokens | None:
    usage = mapping(seen.get("usage"))
    inputs = first(usage, ("input", "promptTokens", "prompt_tokens", "input_tokens"))
    outputs = first(usage, ("output", "completionTokens", "completion_tokens", "output_tokens"))
    inputs = (
        first(seen, ("inputusage", "prompttokens", "inputtokens")) if inputs is None else inputs
    )
    outputs = (
        first(seen, ("outputusage", "completiontokens", "outputtokens"))
        if outputs is None
        else outputs
    )
    if inputs is None and outputs is None:
        return None
    return whole_tokens(inputs, outputs)


def _either(details: Mapping[str, Any], name: str) -> object:
    return first(details, (name, f"{name}_tokens", f"{name}_text_tokens"))


_OUTPUTS: Final = frozenset({"reasoning", "audio_out", "image_out"})


def _bucket(key: str) -> str:
    """Our bucket for a key of usage_details; empty for one that is none or counted elsewhere."""
    name = key.lower()
    if "1h" in name:
        return "cache_write_1h"
    if "creation" in name or "write" in name:
        return "cache_write_5m"
    if "cache" in name:
        return "cache_read"
    if "reasoning" in name or "thinking" in name or "thought" in name:
        return "reasoning"
    side = "out" if "output" in name or "completion" in name else "in"
    for kind in ("audio", "image"):
        if kind in name:
            return f"{kind}_{side}"
    return ""


def _cost(seen: Mapping[str, Any]) -> float | None:
    details = mapping(seen.get("costdetails"))
    return positive(first(details, ("total",)) or first(seen, ("totalcost", "calculatedtotalcost")))


def _seconds(value: object) -> float | None:
    found = positive(value)
    return None if found is None else found * 1000
