"""Usage in columns, as levers and replay compute with it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowTable
from netra_optimizer.usage.columns import (
    Bool,
    Float64,
    Hashes,
    Int32,
    Int64,
    Text,
    UInt64,
    distinct_texts,
    is_constant,
    lists,
    numbers,
    reals,
    taken,
    texts,
)
from netra_optimizer.usage.record import INPUT_BUCKETS, OUTPUT_BUCKETS, TOKEN_BUCKETS

Columns = TypeVar("Columns", "Calls", "UsageFrame")


@dataclass(frozen=True, eq=False, kw_only=True)
class Calls:
    """What prices look at: who ran it, when, in which tier, and the ten disjoint token buckets.

    All columns have one length. Copies with edited columns (`dataclasses.replace`) are priced just
    as stored calls are.
    """

    provider: Text
    model: Text
    tier: Text
    """standard, flex, priority, batch (or fast, where a provider sells speed)."""
    start_us: Int64
    """Microseconds since 1970, UTC."""
    input_uncached: Int64
    cache_read: Int64
    cache_write_5m: Int64
    cache_write_1h: Int64
    output_text: Int64
    reasoning: Int64
    audio_in: Int64
    audio_out: Int64
    image_in: Int64
    image_out: Int64
    requests: Int64 | None = None
    """How many requests each stands for; None: one."""

    def __len__(self) -> int:
        return len(self.start_us)

    @property
    def input_tokens(self) -> Int64:
        """All input, cached included."""
        return self.tokens(*INPUT_BUCKETS)

    @property
    def output_tokens(self) -> Int64:
        """All output, reasoning included."""
        return self.tokens(*OUTPUT_BUCKETS)

    @property
    def request_count(self) -> int:
        """How many requests they stand for together."""
        return len(self) if self.requests is None else int(self.requests.sum())

    def requests_of(self, rows: "Int64 | Bool") -> int:
        """How many requests the chosen calls (an index or a mask) stand for."""
        if self.requests is not None:
            return int(self.requests[rows].sum())
        return int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)

    def requests_each(self) -> Float64:
        """How many requests each call stands for, as weights."""
        return np.ones(len(self)) if self.requests is None else self.requests.astype(np.float64)

    def requests_by(self, groups: "np.ndarray") -> Float64:
        """How many requests each group has; groups are numbered from 0, one number a call."""
        weights = None if self.requests is None else self.requests.astype(np.float64)
        return np.bincount(groups, weights=weights).astype(np.float64, copy=False)

    def tokens(self, *buckets: str) -> Int64:
        """Sum of the named buckets, call by call."""
        total = np.zeros(len(self), np.int64)
        for bucket in buckets:
            column = getattr(self, bucket)
            if not is_constant(column) or column[0]:
                total += column
        return total

    def take(self, rows: "Int64 | Bool") -> "Calls":
        """The chosen calls (an index or a mask)."""
        return _take(self, rows)

    def with_model(self, model: str, provider: str) -> "Calls":
        """The same calls asked of another model."""
        count = len(self)
        return replace(self, model=Text.full(count, model), provider=Text.full(count, provider))

    def with_tier(self, tier: str) -> "Calls":
        """The same calls in another tier."""
        return replace(self, tier=Text.full(len(self), tier))


class Pricing(Protocol):
    """What a frame needs of a price table."""

    def cost(self, calls: Calls) -> Float64:
        """USD for each call, nan where the model has no price."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class UsageFrame:
    """Records in columns, sorted by (start, id). Unknown numbers are nan."""

    id: Text
    calls: Calls
    operation: Text
    latency_ms: Float64
    ttft_ms: Float64
    user: Text
    team: Text
    feature: Text
    conversation: Text
    trace: Text
    span: Text
    parent: Text
    status: Text
    error_kind: Text
    attempt: Int32
    retry_of: Text
    params: Text
    prompt_hash: Text
    finish_reason: Text
    quality: Float64
    cost_recorded: Float64
    source: Text
    import_id: Text
    tags: Text
    """Flat; row i holds tags[tag_offsets[i]:tag_offsets[i + 1]]."""
    tag_offsets: Int64
    tool_names: Text
    """Flat; row i holds tool_names[tool_offsets[i]:tool_offsets[i + 1]]."""
    tool_offsets: Int64
    block_hashes: Hashes
    """Flat; row i holds block_hashes[block_offsets[i]:block_offsets[i + 1]]."""
    block_offsets: Int64
    block_tokens: Int32
    cost_usd: Float64
    """Price of each call, nan where its model has no price (or no prices were given)."""

    def __len__(self) -> int:
        return len(self.calls)

    @cached_property
    def every_row(self) -> Int64:
        """0, 1, … to the last row; one array for all who need it, not to be written to."""
        rows = np.arange(len(self), dtype=np.int64)
        rows.flags.writeable = False
        return rows

    def take(self, rows: "Int64 | Bool") -> "UsageFrame":
        """The chosen rows (an index or a mask), in that order."""
        index = np.arange(len(self), dtype=np.int64)[rows]
        block_hashes, block_offsets = _take_lists(self.block_hashes, self.block_offsets, index)
        tags, tag_offsets = _take_lists(self.tags.codes, self.tag_offsets, index)
        tools, tool_offsets = _take_lists(self.tool_names.codes, self.tool_offsets, index)
        flat: dict[str, Any] = {
            "block_hashes": block_hashes,
            "block_offsets": block_offsets,
            "tags": Text(tags, self.tags.values),
            "tag_offsets": tag_offsets,
            "tool_names": Text(tools, self.tool_names.values),
            "tool_offsets": tool_offsets,
        }
        return _take(self, index, flat)

    def values(self, name: str) -> list[str]:
        """Distinct values of a text column (model, provider, user, …) in use, sorted."""
        column = getattr(self.calls if name in _CALL_TEXTS else self, name)
        return sorted({column.values[code] for code in np.unique(column.codes).tolist()})

    def blocks(self, row: int) -> UInt64:
        """Names of the prefix blocks of one row's prompt."""
        return self.block_hashes[self.block_offsets[row] : self.block_offsets[row + 1]]

    def priced(self, prices: Pricing) -> "UsageFrame":
        """The same rows with `cost_usd` from these prices."""
        return replace(self, cost_usd=prices.cost(self.calls))

    @classmethod
    def from_arrow(cls, table: ArrowTable, prices: Pricing | None = None) -> "UsageFrame":
        """Columns of USAGE_SCHEMA, sorted by (start, id); cost_usd is nan without prices."""
        table = table.sort_by([("start", "ascending"), ("id", "ascending")])
        hashes, offsets = lists(table["block_hashes"])
        blocks = numbers(hashes, np.uint64).astype(np.uint64, copy=False)
        return cls.from_columns(table.column, (blocks, offsets), prices)

    @classmethod
    def from_columns(
        cls,
        column: Callable[[str], ArrowArray],
        blocks: tuple[Hashes, Int64],
        prices: Pricing | None = None,
    ) -> "UsageFrame":
        """The frame of columns asked for one after the other, all in (start, id) order.

        `blocks` are the block hashes flat, and their offsets.
        """
        calls = Calls(
            provider=texts(column("provider")),
            model=texts(column("model")),
            tier=texts(column("service_tier")),
            start_us=_counts(column("start")),
            **{bucket: _counts(column(bucket)) for bucket in TOKEN_BUCKETS},
            requests=weights(_counts(column("requests"))),
        )
        tags, tag_offsets = lists(column("tags"))
        tools, tool_offsets = lists(column("tool_names"))
        block_hashes, block_offsets = blocks
        plain: dict[str, Any] = {name: texts(column(name)) for name in _TEXTS}
        plain |= {name: reals(column(name)) for name in _REALS}
        return cls(
            id=distinct_texts(column("id")),
            calls=calls,
            **plain,
            attempt=numbers(column("attempt"), np.int32).astype(np.int32, copy=False),
            block_tokens=numbers(column("block_tokens"), np.int32).astype(np.int32, copy=False),
            tags=texts(tags),
            tag_offsets=tag_offsets,
            tool_names=texts(tools),
            tool_offsets=tool_offsets,
            block_hashes=block_hashes,
            block_offsets=block_offsets,
            cost_usd=prices.cost(calls) if prices else np.full(len(calls), np.nan),
        )


_TEXTS = (
    "operation",
    "user",
    "team",
    "feature",
    "conversation",
    "trace",
    "span",
    "parent",
    "status",
    "error_kind",
    "retry_of",
    "params",
    "prompt_hash",
    "finish_reason",
    "source",
    "import_id",
)
_CALL_TEXTS = ("provider", "model", "tier")
_REALS = ("latency_ms", "ttft_ms", "quality", "cost_recorded")


def weights(requests: Int64) -> Int64 | None:
    """The column of requests, None where each record stands for one."""
    return requests if (requests != 1).any() else None


def _counts(column: ArrowArray) -> Int64:
    return numbers(column, np.int64).astype(np.int64, copy=False)


def _take(columns: Columns, rows: "Int64 | Bool", given: "dict[str, Any] | None" = None) -> Columns:
    chosen = dict(given or {})
    for field in fields(columns):
        if field.name in chosen:
            continue
        column = getattr(columns, field.name)
        if column is None:
            continue
        if isinstance(column, (Text, Calls)):
            chosen[field.name] = column.take(rows)
        else:
            chosen[field.name] = taken(column, rows)
    return replace(columns, **chosen)


def _take_lists(flat: Hashes, offsets: Int64, rows: Int64) -> tuple[Any, Int64]:
    """Any: of the flat column's own type."""
    lengths = np.diff(offsets)[rows]
    taken = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=taken[1:])
    index = np.arange(taken[-1]) + np.repeat(offsets[rows] - taken[:-1], lengths)
    return flat[index], taken
