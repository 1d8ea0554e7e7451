"""Langfuse's export of observations: JSON, JSON Lines or CSV.

usage_details keep every kind of token apart: `input` excludes what was cached, `output` excludes
reasoning; a kind without a bucket is plain input or output, by its name. Where a total is given
that input and output make alone, the parts lie inside. Observations that are no generation or
embedding are left out, by name.
"""

from collections.abc import Mapping, Sequence
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
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
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
    texts,
)
from netra_optimizer.usage.record import (
    INPUT_BUCKETS,
    OUTPUT_BUCKETS,
    TOKEN_BUCKETS,
    UsageRecord,
)
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


_OF_A_TRACE: Final = {"traceid", "parentobservationid", "usagedetails"}


class LangfuseImporter(RowImporter):
    """One row an observation; generations and embeddings are calls."""

    name = "langfuse"
    title = "Langfuse observations"
    convention = "usage_details are disjoint: input excludes cached, output excludes reasoning"

    def score(self, rows: Rows) -> float:
        """By its column names, in either spelling."""
        if any(_is_trace(row) for row in rows.sample[:8]):
            return 0.97
        names = {_plain(name) for row in rows.sample[:8] for name in row}
        if not names >= {"type", "starttime"} or not names & _OF_A_TRACE:
            return 0.0
        return min(0.97, 0.15 * len(_MARKS & names))

    def read(self, row: Row, options: Options) -> Outcome | Sequence[Outcome]:
        """One observation, or all of a trace."""
        inner = row.get("observations")
        if not isinstance(inner, list):
            return self._observation(row, options)
        return [
            outcome for part in inner for outcome in self.outcomes(_of_trace(row, part), options)
        ]

    def _observation(self, row: Row, options: Options) -> Outcome:
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
        tags = tags_of(seen, {"tags": seen.get("tracetags")}, metadata)
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
            service_tier=tier_of(
                params.get("service_tier")
                or metadata.get("service_tier")
                or _tier_told(mapping(seen.get("usagedetails")))
            ),
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
            tool_names=texts(seen.get("toolcallnames") or ()),
            cost_recorded=_cost(seen),
        )


def _is_trace(row: Row) -> bool:
    """Whether it is a trace with its observations whole (lists of traces have only their names)."""
    inner = row.get("observations")
    held = inner[0] if isinstance(inner, list) and inner else None
    return isinstance(held, dict) and "type" in held and "startTime" in held and "id" in row


def _of_trace(trace: Row, part: object) -> Row | str:
    """An observation with what its trace alone says of it."""
    if not isinstance(part, dict):
        return NOT_A_CALL
    above = {name: trace.get(name) for name in ("userId", "sessionId", "tags")}
    return {**above, "traceId": trace.get("id"), "traceName": trace.get("name"), **part}


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
    found = details_tokens(mapping(seen.get("usagedetails")))
    return _plain_tokens(seen) if found is None else found


def details_tokens(details: Mapping[str, Any]) -> Tokens | None:
    """The tokens of Langfuse's usage types, None where none of them is one.

    A provider's own usage object, left as it was, is read as such.
    """
    own = any(isinstance(value, Mapping) for value in details.values())
    if own or not _GEMINI.isdisjoint(details):
        return tokens_of(details) if has_tokens(details) else None
    kinds = {name: _kind(name) for name, value in details.items() if has_count(value)}
    if not any(kinds.values()):
        return None
    parts: dict[str, int] = dict.fromkeys(TOKEN_BUCKETS, 0)
    for name, kind in kinds.items():
        if kind in parts:
            parts[kind] += count(details[name])
    for name, kind in kinds.items():
        if kind == _UNSPLIT:
            split = parts["cache_write_5m"] + parts["cache_write_1h"]
            parts["cache_write_5m"] += max(count(details[name]) - split, 0)
    inputs = count(first(details, _INPUT_NAMES))
    outputs = count(first(details, _OUTPUT_NAMES))
    total = count(first(details, _TOTAL_NAMES))
    read = sum(parts[name] for name in INPUT_BUCKETS)
    said = sum(parts[name] for name in OUTPUT_BUCKETS)
    for without in ((read, said), (read, 0), (0, said)):
        if total and any(without) and total == inputs + outputs + read + said - sum(without):
            reads_beside, says_beside = read - without[0], said - without[1]
            return _divided(inputs + reads_beside, outputs + says_beside, parts)
    parts["input_uncached"] += inputs
    parts["output_text"] += outputs
    return Tokens(**parts)


def _tier_told(details: Mapping[str, Any]) -> str:
    """The tier by which LangChain names its details, and so Langfuse a usage type."""
    return next((tier for tier in ("priority", "flex") if f"input_{tier}" in details), "")


def _divided(inputs: int, outputs: int, parts: Mapping[str, int]) -> Tokens:
    """Parts that lie inside the input and the output.

    What is none of the others is counted as plain input or output, whether it was named or not.
    """
    left, right = Dividing(inputs), Dividing(outputs)
    inside = {name: left.take(parts[name]) for name in INPUT_BUCKETS if name != "input_uncached"}
    said = {name: right.take(parts[name]) for name in OUTPUT_BUCKETS if name != "output_text"}
    return Tokens(**inside, **said, input_uncached=left.rest, output_text=right.rest)


def _plain_tokens(seen: Mapping[str, Any]) -> Tokens | None:
    usage = mapping(seen.get("usage"))
    if text(usage.get("unit")).upper() not in ("", "TOKENS"):
        return None
    inputs = first(usage, _INPUT_NAMES)
    outputs = first(usage, _OUTPUT_NAMES)
    if inputs is None:
        inputs = first(seen, ("inputusage", "prompttokens", "inputtokens", "usage.input"))
    if outputs is None:
        outputs = first(seen, ("outputusage", "completiontokens", "outputtokens", "usage.output"))
    if inputs is None and outputs is None:
        return None
    return whole_tokens(inputs, outputs)


_INPUT_NAMES: Final = ("input", "input_tokens", "prompt_tokens", "promptTokens", "inputTokens")
_OUTPUT_NAMES: Final = (
    "output", "output_tokens", "completion_tokens", "completionTokens", "outputTokens",
)  # fmt: skip
_GEMINI: Final = frozenset({"promptTokenCount", "prompt_token_count"})
_TOTAL_NAMES: Final = ("total", "total_tokens", "totalTokens")
_UNSPLIT: Final = "cache_write"
_WHOLE: Final = "whole"


def _kind(key: str) -> str:
    """The bucket of a usage type: what no bucket has for its own is plain input or plain output.

    `whole` for the input and the output themselves, empty for totals and what is no token.
    """
    if key in _TOTAL_NAMES:
        return ""
    if key in _INPUT_NAMES or key in _OUTPUT_NAMES:
        return _WHOLE
    name = key.lower()
    if "creation" in name or "write" in name or "ephemeral" in name:
        return "cache_write_1h" if "1h" in name else "cache_write_5m" if "5m" in name else _UNSPLIT
    if "cache" in name:
        return "cache_read"
    if "reasoning" in name or "thinking" in name or "thought" in name:
        return "reasoning"
    said = any(word in name for word in ("output", "completion", "candidate"))
    for kind in ("audio", "image"):
        if kind in name:
            return f"{kind}_{'out' if said else 'in'}"
    if said:
        return "output_text"
    return "input_uncached" if "input" in name or "prompt" in name else ""


def _cost(seen: Mapping[str, Any]) -> float | None:
    details = mapping(seen.get("costdetails"))
    return positive(first(details, ("total",)) or first(seen, ("totalcost", "calculatedtotalcost")))


def _seconds(value: object) -> float | None:
    found = positive(value)
    return None if found is None else found * 1000
