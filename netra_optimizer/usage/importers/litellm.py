"""LiteLLM's SpendLogs: JSON Lines, a JSON array, CSV or Parquet out of its database or proxy.

Also its standard logging payload, as its loggers write it to buckets: a call an object.

prompt_tokens includes cache reads and writes for every provider, Anthropic's too; how many there
were stands in the metadata. Versions of 2025 left the writes out: told where there is no room for
them. A call answered from the gateway's own cache reached no provider and
is left out, by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.answers import (
    answer_of,
    finish_reason,
    tier_of,
    tool_names,
    usage_of,
)
from netra_optimizer.usage.importers.attribution import attribution, tags_of
from netra_optimizer.usage.importers.base import (
    FROM_CACHE,
    NO_MODEL,
    NO_TOKENS,
    Chunk,
    Options,
    Outcome,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import cache_reads, cache_writes, inclusive_tokens
from netra_optimizer.usage.importers.litellm_lines import FREE, plain_rows
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_hash,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.values import (
    content_id,
    count,
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
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.blocks import Block
from netra_optimizer.usage.sources.rows import Row, Rows, decode_line

_MARKS: Final = frozenset(
    {
        "request_id", "call_type", "spend", "startTime", "endTime", "completionStartTime",
        "custom_llm_provider", "model_group", "cache_hit", "request_tags", "api_key", "model_id",
        "prompt_tokens", "completion_tokens", "end_user", "team_id", "cache_key", "response_cost",
    }
)  # fmt: skip
_TIMES: Final = ("startTime", "start_time")
_CASED: Final = {name.lower(): name for name in ("startTime", "endTime", "completionStartTime")}
_OPERATIONS: Final = {"embedding": "embeddings", "aembedding": "embeddings"}


class LiteLLMImporter(RowImporter):
    """One row a call through the gateway."""

    name = "litellm"
    title = "LiteLLM SpendLogs"
    convention = "prompt_tokens includes cache reads and writes, for every provider"

    def score(self, rows: Rows) -> float:
        """By how many of its column names there are."""
        names = set(rows.header) or {key for row in rows.sample[:8] for key in row}
        names = set(_as_written(dict.fromkeys(names)))
        found = len(_MARKS & names)
        if not names & {"startTime", "start_time"} or not names & {"spend", "call_type"}:
            return 0.0
        return min(0.98, 0.2 * found) if found >= 4 else 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Usual lines in columns, all other rows one by one."""
        if rows.shape != "jsonl":
            yield from super().chunks(rows, options)
            return
        for block in rows.source.blocks():
            plain, others = plain_rows(Block(block))
            if plain is not None:
                yield plain
            if others:
                yield self.chunk(map(decode_line, others), options)

    def read(self, row: Row, options: Options) -> Outcome:
        """One call."""
        row = _as_written(row)
        if text(row.get("cache_hit")).strip().lower() == "true":
            return FROM_CACHE
        start = moment(first(row, ("startTime", "start_time")), options.timezone)
        end = optional_moment(first(row, ("endTime", "end_time")), options.timezone)
        first_token = optional_moment(
            first(row, ("completionStartTime", "completion_start_time")), options.timezone
        )
        metadata = mapping(row.get("metadata"))
        model = text(row.get("model")) or text(row.get("model_group"))
        if not (model or options.model):
            return NO_MODEL
        failed = _failure(row, metadata)
        request, answer = _request(row), answer_of(row.get("response"))
        tokens = _tokens(row, metadata, usage_of(answer), failed=bool(failed))
        if tokens is None:
            return NO_TOKENS
        said = {key: metadata[key] for key in FREE if metadata.get(key)}
        own = {
            **mapping(said.get("requester_metadata")),
            **mapping(said.get("spend_logs_metadata")),
        }
        tags = tuple(dict.fromkeys((*texts(row.get("request_tags")), *tags_of(said, own))))
        prompt = prompt_text(request)
        streamed = first_token is not None and first_token != end
        return UsageRecord(
            id=text(first(row, ("request_id", "id")))
            or content_id("litellm", start, model, tokens),
            start=start,
            model=model,
            provider=text(row.get("custom_llm_provider")),
            operation=_OPERATIONS.get(text(row.get("call_type")), "chat"),
            service_tier=_tier(row, metadata, answer),
            latency_ms=positive(row.get("request_duration_ms")) or milliseconds(start, end),
            ttft_ms=milliseconds(start, first_token) if streamed else None,
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **_who(row, metadata, {**said, **own}, tags),
            tags=tags,
            status="error" if failed else "ok",
            error_kind=failed,
            params=request_params(request),
            prompt_hash=prompt_hash(request) if prompt else "",
            block_hashes=block_names(prompt) if prompt else (),
            block_tokens=tokens_a_block(len(prompt.encode("utf-8", "replace")), tokens.input_tokens)
            if prompt
            else 0,
            finish_reason=finish_reason(answer),
            tool_names=tool_names(answer),
            cost_recorded=positive(first(row, ("spend", "response_cost"))),
        )


def _as_written(row: Row) -> Row:
    """The row by the gateway's own names, where a warehouse wrote them in one case."""
    if any(name in row for name in _TIMES) or not any(name.lower() in _CASED for name in row):
        return row
    return {_CASED.get(name.lower(), name.lower()): value for name, value in row.items()}


def _tokens(
    row: Row, metadata: Mapping[str, Any], answered: Mapping[str, Any], *, failed: bool
) -> Tokens | None:
    """By the columns; what lies inside them by the metadata, else by the answer itself."""
    given = [row.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not any(has_count(value) for value in given):
        return NOTHING if failed else None
    usage = dict(mapping(metadata.get("additional_usage_values")))
    if not usage and not mapping(metadata.get("usage_object")):
        usage = {name: value for name, value in answered.items() if value is not None}
    usage |= {k: v for k, v in mapping(metadata.get("usage_object")).items() if v is not None}
    for name, value in zip(
        ("prompt_tokens", "completion_tokens", "total_tokens"), given, strict=True
    ):
        if has_count(value):
            usage[name] = value
    usage.setdefault("prompt_tokens", 0)
    inside = mapping(usage.get("prompt_tokens_details"))
    prompt, read = count(usage["prompt_tokens"]), cache_reads(usage, inside)
    written = sum(cache_writes(usage, inside))
    if read <= prompt < read + written:
        usage |= {"prompt_tokens": prompt + written, "total_tokens": None}
    return inclusive_tokens(usage, exclusive_if_larger=False)


def _failure(row: Row, metadata: Mapping[str, Any]) -> str:
    said = {text(row.get("status")).lower(), text(metadata.get("status")).lower()}
    if not said & {"failure", "failed", "error"}:
        return ""
    details = mapping(metadata.get("error_information") or row.get("error_information"))
    return text(first(details, ("error_class", "error_code"))) or "error"


def _request(row: Row) -> Mapping[str, Any]:
    asked = mapping(row.get("proxy_server_request"))
    body = asked.get("body")
    request = {**mapping(row.get("model_parameters")), **(mapping(body) or asked)}
    messages = row.get("messages")
    if isinstance(messages, str):
        messages = json_or(messages, messages)
    if messages and "messages" not in request:
        request["messages"] = messages
    return {key: value for key, value in request.items() if value not in (None, {}, [])}


def _tier(row: Row, metadata: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    if "batch" in text(row.get("call_type")):
        return "batch"
    usage = mapping(metadata.get("usage_object"))
    if usage.get("speed") == "fast":
        return "fast"
    return tier_of(
        answer.get("service_tier") or usage.get("service_tier") or row.get("service_tier")
    )


def _who(
    row: Row, metadata: Mapping[str, Any], own: Mapping[str, Any], tags: tuple[str, ...]
) -> dict[str, Any]:
    ends = {
        "user": text(first(row, ("end_user",))) or text(row.get("user")),
        "conversation": text(first(row, ("session_id", "trace_id"))),
    }
    found = attribution({k: v for k, v in ends.items() if v}, own, tags=tags)
    team = (
        first(metadata, ("user_api_key_team_alias",))
        or row.get("team_id")
        or first(metadata, ("user_api_key_team_id",))
    )
    user = found.get("user") or text(
        first(metadata, ("user_api_key_end_user_id", "user_api_key_user_id", "user_api_key_alias"))
    )
    return found | {"user": user, "team": found.get("team") or text(team)}
