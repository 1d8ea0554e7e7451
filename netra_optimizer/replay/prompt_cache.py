"""The prompt cache's own step of a replay: which prefix is read, which is written, what is neither.

All prompt-cache policies of a replay are settled together, because requests of one may read what
requests of another wrote.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from netra_optimizer.replay.caching_rules import Write, caching_rule
from netra_optimizer.replay.prefix import reused_tokens
from netra_optimizer.usage.columns import Bool, Int32, Int64

if TYPE_CHECKING:
    from netra_optimizer.replay.stream import Stream

ALL_BLOCKS: Final = int(np.iinfo(np.int32).max)
PROMPT_BUCKETS: Final = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h")


@dataclass
class CachePlan:
    """What the policies ask of the prompt cache, record by record."""

    managed: Bool
    """Records whose use of the cache is replayed; the others keep what was billed."""
    limit: Int32
    """How many leading blocks are cached; 0: none."""
    lifetime_us: Int64
    writes: dict[Write, Bool] = field(default_factory=dict)

    @classmethod
    def empty(cls, count: int) -> "CachePlan":
        """No record's cache is touched."""
        return cls(np.zeros(count, np.bool_), np.zeros(count, np.int32), np.zeros(count, np.int64))

    def ask(self, at: Int64, *, blocks: int, lifetime_s: float, write: Write) -> None:
        """Cache the first `blocks` blocks of these records, for so long, by such a write."""
        self.managed[at] = True
        self.limit[at] = blocks
        self.lifetime_us[at] = int(lifetime_s * 1_000_000)
        for kind in ("5m", "1h", "none"):
            mask = self.writes.setdefault(kind, np.zeros(len(self.managed), np.bool_))
            mask[at] = kind == write

    def forbid(self, at: Int64) -> None:
        """No cache for these records: all their prompt is plain input."""
        self.managed[at] = True
        self.limit[at] = 0


def settle(stream: "Stream", plan: CachePlan) -> None:
    """Replay the cache and write the four prompt buckets of the managed records."""
    traffic = stream.traffic
    batched = stream.label("tier").equals("batch")
    prompt = np.zeros(len(traffic), np.int64)
    for bucket in PROMPT_BUCKETS:
        prompt += stream.tokens(bucket)
    managed = plan.managed & traffic.answered
    minimum, step, cached = _rules(stream, managed)
    limit = np.where(managed & stream.sent & cached & ~batched, plan.limit, 0).astype(np.int32)
    blocks = np.minimum(limit, np.diff(traffic.prefix.offsets)).astype(np.int32)
    marked = reused_tokens(blocks, traffic.block_tokens, prompt) // step * step
    blocks[marked < minimum] = 0
    marked[marked < minimum] = 0
    (leading,) = traffic.prefix.leading_within([plan.lifetime_us], blocks, _caches(stream))
    read = reused_tokens(leading, traffic.block_tokens, prompt)
    read = np.minimum(read // step * step, marked)
    read[read < minimum] = 0
    written = np.where(managed, marked - read, 0)
    five = plan.writes.get("5m", np.zeros(len(prompt), np.bool_))
    hour = plan.writes.get("1h", np.zeros(len(prompt), np.bool_))
    _put(stream, "cache_read", managed, read)
    _put(stream, "cache_write_5m", managed, np.where(five, written, 0))
    _put(stream, "cache_write_1h", managed, np.where(hour, written, 0))
    _put(stream, "input_uncached", managed, prompt - read - np.where(five | hour, written, 0))


def _put(stream: "Stream", bucket: str, managed: Bool, values: Int64) -> None:
    column = stream.tokens(bucket)
    column[managed] = values[managed]


def _caches(stream: "Stream") -> Int32:
    """A number for each record's cache: its model at its provider."""
    model, provider = stream.label("model"), stream.label("provider")
    return (model.codes * len(provider.values) + provider.codes).astype(np.int32)


def _rules(stream: "Stream", managed: Bool) -> tuple[Int64, Int64, Bool]:
    """Minimum and step of each record's cache, and whether there is one."""
    model, provider = stream.label("model"), stream.label("provider")
    caches = _caches(stream)
    minimum = np.zeros(len(caches), np.int64)
    step = np.ones(len(caches), np.int64)
    cached = np.zeros(len(caches), np.bool_)
    for cache in np.flatnonzero(np.bincount(caches[managed])).tolist():
        where = caches == cache
        rule = caching_rule(
            provider.values[cache % len(provider.values)],
            model.values[cache // len(provider.values)],
        )
        if rule is not None:
            minimum[where], step[where], cached[where] = rule.minimum, rule.step, True
    return minimum, step, cached
