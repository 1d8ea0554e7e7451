"""Helicone's export of requests: CSV, JSON or JSON Lines.

The provider's own usage object is read where the response body is part of the export. Else
prompt_tokens excludes cache tokens for Anthropic's models, save those by OpenRouter, and includes
them for all others; reasoning lies beside the completion where the total says so. A request
answered from Helicone's cache reached no provider and is left out, by name.
"""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.answers import (
    answer_of,
    finish_reason,
    model_of,
    tier_of,
    tool_names,
    usage_of,
)
from netra_optimizer.usage.importers.attribution import attribution
from netra_optimizer.usage.importers.base import (
    FROM_CACHE,
    NO_MODEL,
    NO_TOKENS,
    Options,
    Outcome,
    Parts,
    RowImporter,
)
from netra_optimizer.usage.importers.conventions import inclusive_tokens
from netra_optimizer.usage.importers.inner_calls import with_inner_calls
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_hash,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import (
    canonical,
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

_OWN_STATUS: Final = {-1: "timeout", -2: "pending", -3: "cancelled", -4: "threat"}
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_MARKS: Final = frozenset(
    {
        "request_created_at", "request_user_id", "request_properties", "request_path",
        "response_status", "response_model", "request_model", "delay_ms", "helicone_user",
        "prompt_cache_read_tokens", "cache_reference_id", "costusd", "cache_enabled", "llmschema",
        "time_to_first_token", "country_code", "target_url", "model_override", "response_id",
    }
)  # fmt: skip


_APART: Final = ("anthropic", "bedrock", "aws")


class HeliconeImporter(RowImporter):
    """One row a request through the proxy."""

    name = "helicone"
    title = "Helicone requests"
    convention = "prompt_tokens excludes cache tokens for Anthropic, includes them for others"

    def score(self, rows: Rows) -> float:
        """By its column names."""
        names = {name.lower() for row in rows.sample[:8] for name in row}
        found = len(_MARKS & names)
        return min(0.97, 0.25 * found) if found >= 3 else 0.0

    def read(self, row: Row, options: Options) -> Outcome | Parts:
        """One request, and the calls its answer reports inside its own."""
        seen = {name.lower(): value for name, value in row.items()}
        if text(seen.get("cache_reference_id")) not in ("", _NOBODY):
            return FROM_CACHE
        start = moment(
            first(seen, ("request_created_at", "created_at", "createdat", "timestamp")),
            options.timezone,
        )
        request, answer = mapping(seen.get("request_body")), answer_of(seen.get("response_body"))
        model = text(
            first(seen, ("model_override", "response_model", "request_model", "model"))
        ) or model_of(answer)
        if not (model or options.model):
            return NO_MODEL
        status = number(first(seen, ("response_status", "status")))
        failed = "" if status is None or 0 < status < 400 else _failure(int(status))
        provider = text(seen.get("provider")).lower()
        tokens = _tokens(seen, usage_of(answer), provider, model)
        if tokens is None:
            if not failed:
                return NO_TOKENS
            tokens = NOTHING
        properties = mapping(first(seen, ("request_properties", "properties")))
        prompt = prompt_text(request)
        lowered = {
            name.lower().replace("-", "_").removeprefix("helicone_"): value
            for name, value in properties.items()
        }
        record = UsageRecord(
            id=text(answer.get("id") or first(seen, ("request_id", "id")))
            or content_id("helicone", canonical(row)),
            start=start,
            model=model,
            provider="" if provider in ("custom", "helicone") else provider,
            service_tier=_tier(answer, request),
            latency_ms=positive(first(seen, ("delay_ms", "latency_ms", "latency"))),
            ttft_ms=positive(first(seen, ("time_to_first_token", "ttft_ms"))),
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **attribution(_who(seen), lowered, properties, request),
            tags=tuple(f"{name}:{text(value)}" for name, value in properties.items()),
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
            cost_recorded=_cost(first(seen, ("costusd", "cost_usd", "cost"))),
        )
        return record if failed else with_inner_calls(record, answer)


def _tier(answer: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    usage = usage_of(answer)
    if usage.get("speed") == "fast":
        return "fast"
    said = answer.get("service_tier") or usage.get("service_tier")
    return tier_of(said or request.get("service_tier"))


def _failure(status: int) -> str:
    """What became of the request; Helicone has numbers of its own below zero."""
    return _OWN_STATUS.get(status) or f"http_{status}"


def _cost(value: object) -> float | None:
    """USD; its database counts billionths in whole numbers, and no request costs thousands."""
    found = positive(value)
    return found / 1e9 if found and found >= 1000 and found == int(found) else found


def _who(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": first(seen, ("request_user_id", "helicone_user", "user_id", "user"))}


def _tokens(
    seen: Mapping[str, Any], usage: Mapping[str, Any], provider: str, model: str
) -> Tokens | None:
    if usage and has_tokens(usage):
        return tokens_of(usage)
    given = {name: seen.get(name) for name in ("prompt_tokens", "completion_tokens")}
    if not any(map(has_count, given.values())):
        return None
    read = count(seen.get("prompt_cache_read_tokens"))
    write = count(seen.get("prompt_cache_write_tokens"))
    prompt, completion = count(given["prompt_tokens"]), count(given["completion_tokens"])
    reasoning = count(seen.get("reasoning_tokens"))
    if reasoning > completion or count(seen.get("total_tokens")) == prompt + completion + reasoning:
        completion += reasoning
    apart = provider in _APART or ("claude" in model.lower() and provider != "openrouter")
    return inclusive_tokens(
        {
            "prompt_tokens": prompt + (read + write if apart else 0),
            "completion_tokens": completion,
            "cache_read_tokens": read,
            "cache_write_tokens": write,
            "reasoning_tokens": reasoning,
            "prompt_tokens_details": {"audio_tokens": seen.get("prompt_audio_tokens")},
            "completion_tokens_details": {"audio_tokens": seen.get("completion_audio_tokens")},
        }
    )
