"""LiteLLM's JSON Lines in columns: usual rows, without bodies, at a fraction of the time.

A row with anything out of the ordinary (bodies, failures, numbers as text, attribution in the
metadata, a key of a usage object that is not known here) is handed back to be read one by one;
both ways make the same record.
"""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from netra_optimizer.usage.columns import Bool, Float64, Int64
from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.attribution import attribution
from netra_optimizer.usage.importers.base import FROM_CACHE, Chunk
from netra_optimizer.usage.importers.litellm_tokens import (
    Count,
    NoBody,
    Nothing,
    Usage,
    buckets,
    counts_of,
)
from netra_optimizer.usage.importers.times import utc_us
from netra_optimizer.usage.importers.values import texts
from netra_optimizer.usage.sources.blocks import Block
from netra_optimizer.usage.sources.files import MAX_LINE

OPERATIONS: Final = {
    "acompletion": "chat", "completion": "chat", "aembedding": "embeddings",
    "embedding": "embeddings", "anthropic_messages": "chat", "aresponses": "chat",
    "responses": "chat",
}  # fmt: skip
FREE: Final = ("spend_logs_metadata", "requester_metadata", "feature", "team", "session_id", "tags")
"""Keys of the metadata that hold what callers said themselves."""
_WELL: Final = frozenset({None, "", "success"})
_HIT: Final = "true"


class _Metadata(msgspec.Struct, gc=False):
    user_api_key_alias: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_team_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_end_user_id: str | None = None
    status: str | None = None
    usage_object: Usage | None = None
    additional_usage_values: Usage | None = None
    spend_logs_metadata: Nothing = None
    requester_metadata: Nothing = None
    feature: Nothing = None
    team: Nothing = None
    session_id: Nothing = None
    tags: Nothing = None


_NO_METADATA: Final = _Metadata()


class _Row(msgspec.Struct, gc=False):
    """In the order in which the gateway writes them: so they are found soonest."""

    request_id: str
    call_type: str = ""
    spend: float | None = None
    total_tokens: Count = -1
    prompt_tokens: Count = -1
    completion_tokens: Count = -1
    startTime: str = ""
    endTime: str | None = None
    completionStartTime: str | None = None
    model: str = ""
    cache_hit: str | bool | None = None
    custom_llm_provider: str | None = None
    user: str | None = None
    end_user: str | None = None
    team_id: str | None = None
    request_tags: msgspec.Raw = msgspec.Raw(b"[]")
    session_id: str | None = None
    status: str | None = None
    request_duration_ms: float | None = None
    service_tier: str | None = None
    messages: NoBody = None
    response: NoBody = None
    proxy_server_request: NoBody = None
    metadata: _Metadata | None = None
    end_time: Nothing = None
    completion_start_time: Nothing = None


Column: TypeAlias = list[Any]
"""One value a row; Any: of the field's own type."""
_EMPTY: Final = frozenset(
    {
        "messages", "response", "proxy_server_request", "end_time", "completion_start_time",
        "metadata", *FREE,
    }
) - {"session_id"}  # fmt: skip
"""Looked at by the decoder alone, which refuses a row that has something there."""
_FIELDS: Final = {name: attrgetter(name) for name in _Row.__struct_fields__ if name not in _EMPTY}
_SAID: Final = {
    "ended" if name == "status" else name: attrgetter(name)
    for name in _Metadata.__struct_fields__
    if name not in FREE
}
_decoder: Final = msgspec.json.Decoder(_Row)
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def plain_rows(block: Block) -> tuple[Chunk | None, list[bytes]]:
    """The records of all usual rows of a block, and the lines of all others.

    Blocks should be no larger than a processor's cache: most of the time is spent in reading what
    the decoder has just written.
    """
    rows, lines, others = _decoded(block)
    if not rows:
        return None, others
    columns, hits, usual = _columns(_said(rows))
    if not (hits | usual).all():
        lines = block.lines() if lines is None else lines
        others += [lines[row] for row in np.flatnonzero(~usual & ~hits).tolist()]
    kept = usual & ~hits
    if not kept.all():
        columns = {name: _chosen(column, kept) for name, column in columns.items()}
    if not (kept.any() or hits.any()):
        return None, others
    dropped = Counter({FROM_CACHE: int(hits.sum())} if hits.any() else {})
    return Chunk(rows=int(kept.sum()), columns=columns, dropped=dropped), others


def _decoded(block: Block) -> tuple[list[_Row], list[bytes] | None, list[bytes]]:
    """Rows, their lines where these were needed, and the lines that are no usual row.

    Decoded at once where every line begins and ends with a brace: then as many values as lines are
    one value a line, for inside an object no brace that closes is followed by one that opens.
    """
    if block.longest <= MAX_LINE and block.braced and block.is_text:
        try:
            found = _decoder.decode_lines(block.data)
            if len(found) == len(block):
                return found, None, []
        except _NOT_JSON:
            pass
    rows: list[_Row] = []
    lines: list[bytes] = []
    others: list[bytes] = []
    for line in block.lines():
        if not line or line.isspace():
            continue
        try:
            rows.append(_one(line))
            lines.append(line)
        except _NOT_JSON:
            others.append(line)
    return rows, lines, others


def _one(line: bytes) -> _Row:
    if len(line) > MAX_LINE:
        raise RecursionError  # the way row by row says that it is too long
    line.decode()
    return _decoder.decode(line)


def _said(rows: Sequence[_Row]) -> dict[str, Column]:
    found: dict[str, Column] = {name: list(map(get, rows)) for name, get in _FIELDS.items()}
    metadata = [row.metadata or _NO_METADATA for row in rows]
    said = {name: list(map(get, metadata)) for name, get in _SAID.items()}
    usages, older = said.pop("usage_object"), said.pop("additional_usage_values")
    tiers = [usage.service_tier if usage else None for usage in usages]
    return found | said | {"tier": tiers} | counts_of(usages, older)


def _columns(said: dict[str, Column]) -> tuple[dict[str, Any], Bool, Bool]:
    """Columns, which rows the gateway's own cache answered, and which are as usual as they seem."""
    answers = {hit: _text(hit) == _HIT for hit in set(said["cache_hit"])}
    hits = np.array([answers[hit] for hit in said["cache_hit"]], np.bool_)
    times, timed = _times(said)
    tokens, counted = buckets(
        said["prompt_tokens"], said["completion_tokens"], said["total_tokens"], said
    )
    columns = {
        "id": said["request_id"],
        "model": said["model"],
        "provider": [provider or "" for provider in said["custom_llm_provider"]],
        "operation": [OPERATIONS.get(kind, "") for kind in said["call_type"]],
        "service_tier": _tiers(said["tier"], said["service_tier"]),
        "cost_recorded": _costs(said["spend"]),
        **_who(said),
        **times,
        **tokens,
    }
    return columns, hits, _known(said) & timed & counted


def _text(hit: str | bool | None) -> str:
    """What the column cache_hit says, in small letters."""
    return hit.strip().lower() if isinstance(hit, str) else str(hit).lower()


def _known(said: dict[str, Column]) -> Bool:
    """Rows with an id, a model and a kind of call that is known, and no failure."""
    rows = len(said["request_id"])
    usual = np.ones(rows, np.bool_)
    checks = (
        (said["call_type"], OPERATIONS.keys()),
        (said["status"], _WELL),
        (said["ended"], _WELL),
    )
    for column, good in checks:
        if not good >= set(column):
            usual &= np.fromiter((value in good for value in column), np.bool_, rows)
    for column in (said["request_id"], said["model"]):
        if "" in column:
            usual &= np.fromiter(map(bool, column), np.bool_, rows)
    return usual


def _times(said: dict[str, Column]) -> tuple[dict[str, Any], Bool]:
    rows = len(said["startTime"])
    ends, spoken_at = said["endTime"], said["completionStartTime"]
    us, known = utc_us([text or "" for text in (*said["startTime"], *ends, *spoken_at)])
    start, end, spoken = us[:rows], us[rows : 2 * rows], us[2 * rows :]
    good, has_end, has_spoken = known[:rows], known[rows : 2 * rows], known[2 * rows :]
    good = good & (has_end | _absent(ends)) & (has_spoken | _absent(spoken_at))
    streamed = has_spoken & ((spoken != end) | ~has_end)
    latency = _span(start, end, has_end)
    given = said["request_duration_ms"]
    if any(given):
        stated = np.array([value or 0.0 for value in given], np.float64)
        latency = np.where(stated > 0, stated, latency)
    times = {"start": start, "latency_ms": latency, "ttft_ms": _span(start, spoken, streamed)}
    return times, good


def _absent(given: Column) -> Bool:
    if None not in given and "" not in given:
        return np.zeros(len(given), np.bool_)
    return np.fromiter((not value for value in given), np.bool_, len(given))


def _tiers(said: Column, given: Column) -> Any:
    """Any: None where all are standard."""
    if not any(said) and not any(given):
        return None
    return [tier_of(one or other) for one, other in zip(said, given, strict=True)]


def _costs(spend: Column) -> Float64:
    costs = np.array(spend, np.float64)  # None becomes nan
    costs[costs < 0] = np.nan
    return costs


def _who(said: dict[str, Column]) -> dict[str, Column]:
    """User, team, conversation, and what tags such as `feature:search` tell."""
    written = list(map(bytes, said["request_tags"]))
    known = {tags: _tagged(tags) for tags in set(written)}
    tagged = [known[tags] for tags in written]
    own = [told for _, told in tagged]
    users = [
        (end or user or told.get("user", "")).strip()
        for end, user, told in zip(said["end_user"], said["user"], own, strict=True)
    ]
    if "" in users:
        keys = zip(
            users, said["user_api_key_end_user_id"], said["user_api_key_user_id"],
            said["user_api_key_alias"], strict=True,
        )  # fmt: skip
        users = [user or end or key or alias or "" for user, end, key, alias in keys]
    teams = zip(
        own, said["user_api_key_team_alias"], said["team_id"], said["user_api_key_team_id"],
        strict=True,
    )  # fmt: skip
    sessions = zip(said["session_id"], own, strict=True)
    who: dict[str, Column] = {
        "tags": [tags for tags, _ in tagged],
        "user": users,
        "team": [
            told.get("team") or alias or team or key or "" for told, alias, team, key in teams
        ],
        "conversation": [
            (session or told.get("conversation", "")).strip() for session, told in sessions
        ],
    }
    if any(told for _, told in known.values()):
        who |= {name: [told.get(name, "") for told in own] for name in ("feature", "trace")}
    return who


def _tagged(written: bytes) -> tuple[tuple[str, ...], dict[str, str]]:
    """The tags, each once, and what they attribute."""
    tags = tuple(dict.fromkeys(texts(msgspec.json.decode(written))))
    return tags, attribution(tags=tags)


def _span(start: Int64, end: Int64, known: Bool) -> Float64:
    return np.where(known & (end >= start), (end - start) / 1000, np.nan)


def _chosen(column: Any, rows: Bool) -> Any:
    """Any: a column as `Chunk` has them."""
    if column is None or isinstance(column, np.ndarray):
        return None if column is None else column[rows]
    return [value for value, kept in zip(column, rows.tolist(), strict=True) if kept]
