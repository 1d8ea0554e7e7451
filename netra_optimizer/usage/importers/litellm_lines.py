"""LiteLLM's JSON Lines in columns: the usual row, without bodies, at a tenth of the time.

A row with anything out of the ordinary (bodies, failures, numbers as text, attribution in the
metadata) is handed back to be read one by one; both ways make the same record.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import numpy as np

from netra_optimizer.usage.columns import Bool, Float64, Int64
from netra_optimizer.usage.importers.attribution import attribution
from netra_optimizer.usage.importers.base import Chunk
from netra_optimizer.usage.importers.values import MAX_TOKENS

_NO_BODY: Final = frozenset({b"{}", b"[]", b"null", b'""', b'"{}"', b'"[]"', b""})
OPERATIONS: Final = {
    "acompletion": "chat", "completion": "chat", "aembedding": "embeddings",
    "embedding": "embeddings", "anthropic_messages": "chat", "aresponses": "chat",
    "responses": "chat",
}  # fmt: skip
_YES: Final = frozenset({"true", "True", "TRUE"})
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_creation_token_details: Any = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: Any = None
    cache_creation_token_details: Any = None
    reasoning_tokens: Count | None = None


_NO_USAGE: Final = _Usage()
_NO_DETAILS: Final = _Details()


class _Metadata(msgspec.Struct, gc=False):
    user_api_key_alias: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_team_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_end_user_id: str | None = None
    status: str | None = None
    usage_object: _Usage | None = None
    additional_usage_values: _Usage | None = None
    spend_logs_metadata: Any = None
    requester_metadata: Any = None
    feature: Any = None
    team: Any = None
    session_id: Any = None
    tags: Any = None


FREE: Final = ("spend_logs_metadata", "requester_metadata", "feature", "team", "session_id", "tags")
"""Keys of the metadata that hold what callers said themselves."""
_free = attrgetter(*FREE)


class _Row(msgspec.Struct, gc=False):
    request_id: str
    startTime: datetime
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    model: str
    spend: float | None = None
    endTime: datetime | None = None
    completionStartTime: datetime | None = None
    call_type: str = ""
    custom_llm_provider: str | None = ""
    user: str | None = ""
    end_user: str | None = ""
    team_id: str | None = ""
    session_id: str | None = ""
    cache_hit: str | bool | None = None
    status: str | None = None
    request_tags: list[str] = []
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    messages: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    proxy_server_request: msgspec.Raw = msgspec.Raw()
    request_duration_ms: Any = None
    service_tier: Any = None


_decode_lines = msgspec.json.Decoder(list[_Row]).decode
_decode_line = msgspec.json.Decoder(_Row).decode


def plain_rows(lines: Sequence[bytes]) -> tuple[Chunk | None, list[bytes]]:
    """The records of all usual rows, and the lines of all others."""
    rows, others = _decoded(lines)
    usual = [_is_usual(row) for row in rows]
    if not all(usual):
        others += [line for (_, line), fits in zip(rows, usual, strict=True) if not fits]
        rows = [pair for pair, fits in zip(rows, usual, strict=True) if fits]
    if not rows:
        return None, others
    found = [row for row, _ in rows]
    tokens, fits = _tokens(found)
    if not fits.all():
        others += [rows[place][1] for place in np.flatnonzero(~fits).tolist()]
        found = [row for row, good in zip(found, fits.tolist(), strict=True) if good]
        tokens = {name: column[fits] for name, column in tokens.items()}
    if not found:
        return None, others
    return Chunk(rows=len(found), columns=_columns(found) | tokens, dropped=Counter()), others


def _decoded(lines: Sequence[bytes]) -> tuple[list[tuple[_Row, bytes]], list[bytes]]:
    try:
        found = _decode_lines(b"[" + b",".join(lines) + b"]")
        if len(found) == len(lines):
            return list(zip(found, lines, strict=True)), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    rows: list[tuple[_Row, bytes]] = []
    others: list[bytes] = []
    for line in lines:
        try:
            rows.append((_decode_line(line), line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            others.append(line)
    return rows, others


def _is_usual(pair: tuple[_Row, bytes]) -> bool:
    row, _ = pair
    metadata = row.metadata
    return (
        bool(row.request_id and row.model)
        and row.call_type in OPERATIONS
        and row.status in (None, "", "success")
        and metadata.status in (None, "", "success")
        and row.cache_hit not in _YES
        and row.cache_hit is not True
        and row.startTime.tzinfo is not None
        and row.startTime.year >= 1990
        and bytes(row.messages) in _NO_BODY
        and bytes(row.response) in _NO_BODY
        and bytes(row.proxy_server_request) in _NO_BODY
        and not row.request_duration_ms
        and not row.service_tier
        and not any(_free(metadata))
    )


def _tokens(rows: Sequence[_Row]) -> tuple[dict[str, Int64], Bool]:
    """Buckets by OpenAI's convention, and which rows are so plain that it needs no judgement."""
    prompt, completion = (
        _ints(r.prompt_tokens for r in rows),
        _ints(r.completion_tokens for r in rows),
    )
    total = _ints(r.total_tokens for r in rows)
    said = [
        r.metadata.usage_object or r.metadata.additional_usage_values or _NO_USAGE for r in rows
    ]
    both = [bool(r.metadata.usage_object and r.metadata.additional_usage_values) for r in rows]
    inside = [u.prompt_tokens_details or _NO_DETAILS for u in said]
    outside = [u.completion_tokens_details or _NO_DETAILS for u in said]
    read = np.maximum(
        _ints(d.cached_tokens or 0 for d in inside),
        _ints(u.cache_read_input_tokens or 0 for u in said),
    )
    write = np.maximum(
        _ints(u.cache_creation_input_tokens or 0 for u in said),
        _ints(d.cache_creation_tokens or 0 for d in inside),
    )
    split = _ints(
        bool(u.cache_creation or u.cache_creation_token_details or d.cache_creation_token_details)
        for u, d in zip(said, inside, strict=True)
    )
    reasoning = _ints(
        (d.reasoning_tokens or u.reasoning_tokens or 0) for d, u in zip(outside, said, strict=True)
    )
    audio_in, image_in = (
        _ints(getattr(d, name) or 0 for d in inside) for name in ("audio_tokens", "image_tokens")
    )
    audio_out, image_out = (
        _ints(getattr(d, name) or 0 for d in outside) for name in ("audio_tokens", "image_tokens")
    )
    uncached = prompt - read - write - audio_in - image_in
    text = completion - reasoning - audio_out - image_out
    columns = {
        "input_uncached": uncached, "cache_read": read, "cache_write_5m": write,
        "audio_in": audio_in, "image_in": image_in, "output_text": text, "reasoning": reasoning,
        "audio_out": audio_out, "image_out": image_out,
    }  # fmt: skip
    fits = total == prompt + completion
    fits &= split == 0
    fits &= ~(np.array(both) & _ints(map(_differs, rows)).astype(np.bool_))
    for column in columns.values():
        fits &= column >= 0
    return columns, fits


def _differs(row: _Row) -> bool:
    """Whether the older usage object says what the newer one does not."""
    new, old = row.metadata.usage_object, row.metadata.additional_usage_values
    if not (new and old):
        return False
    read = new.cache_read_input_tokens
    write = new.cache_creation_input_tokens
    return (
        (read is None and bool(old.cache_read_input_tokens))
        or (write is None and bool(old.cache_creation_input_tokens))
        or (new.prompt_tokens_details is None and old.prompt_tokens_details is not None)
        or (new.completion_tokens_details is None and old.completion_tokens_details is not None)
    )


def _columns(rows: Sequence[_Row]) -> dict[str, Any]:
    start = _us([row.startTime for row in rows])
    end = _us([row.endTime or row.startTime for row in rows])
    spoken = _us([row.completionStartTime or row.startTime for row in rows])
    has_end = np.array([row.endTime is not None for row in rows])
    has_spoken = np.array([row.completionStartTime is not None for row in rows])
    streamed = has_spoken & ((spoken != end) | ~has_end)
    tagged: dict[tuple[str, ...], tuple[tuple[str, ...], dict[str, Any]]] = {}
    tags = [_tagged(tuple(row.request_tags), tagged) for row in rows]
    who = [_who(row, said) for row, (_, said) in zip(rows, tags, strict=True)]
    return {
        "id": [row.request_id for row in rows],
        "start": start,
        "model": [row.model for row in rows],
        "provider": [row.custom_llm_provider or "" for row in rows],
        "operation": [OPERATIONS[row.call_type] for row in rows],
        "latency_ms": _span(start, end, has_end),
        "ttft_ms": _span(start, spoken, streamed),
        "user": [user for user, _, _ in who],
        "team": [team for _, team, _ in who],
        "feature": [feature for _, _, feature in who],
        "tags": [clean for clean, _ in tags],
        "conversation": [row.session_id or "" for row in rows],
        "cost_recorded": np.array(
            [np.nan if row.spend is None or row.spend < 0 else row.spend for row in rows],
            np.float64,
        ),
    }


def _tagged(
    tags: tuple[str, ...], known: dict[tuple[str, ...], tuple[tuple[str, ...], dict[str, Any]]]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The tags without blanks and repeats, and what they attribute."""
    if tags not in known:
        clean = tuple(dict.fromkeys(filter(None, tags)))
        known[tags] = clean, attribution(tags=clean)
    return known[tags]


def _who(row: _Row, tagged: dict[str, Any]) -> tuple[str, str, str]:
    metadata = row.metadata
    user = (
        row.end_user or row.user or tagged.get("user") or metadata.user_api_key_end_user_id
        or metadata.user_api_key_user_id or metadata.user_api_key_alias or ""
    )  # fmt: skip
    team = (
        tagged.get("team") or metadata.user_api_key_team_alias or row.team_id
        or metadata.user_api_key_team_id or ""
    )  # fmt: skip
    return user, team, tagged.get("feature", "")


def _ints(values: Any) -> Int64:
    """Any: an iterable of ints."""
    return np.fromiter(values, np.int64)


def _us(moments: Sequence[datetime]) -> Int64:
    seconds = np.fromiter((moment.timestamp() for moment in moments), np.float64, len(moments))
    return np.rint(seconds * 1e6).astype(np.int64)


def _span(start: Int64, end: Int64, known: Bool) -> Float64:
    return np.where(known & (end >= start), (end - start) / 1000, np.nan)
