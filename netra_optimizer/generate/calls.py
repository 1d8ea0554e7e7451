"""Columns of one feature's generated calls, and 64-bit names."""

from dataclasses import dataclass, fields

import numpy as np

from netra_optimizer.usage.columns import Bool, Float64, Int32, Int64, UInt64


@dataclass(eq=False, kw_only=True)
class FeatureCalls:
    """Columns of a feature's calls, in order of their conversations; block names flat."""

    start_s: Float64
    conversation: Int64
    """Number of the conversation within the feature."""
    turn: Int64
    user: Int64
    prompt: Int64
    output: Int64
    cache_read: Int64
    cache_write: Int64
    prompt_name: UInt64
    latency_ms: Float64
    ttft_ms: Float64
    failed: Bool
    refused: Bool
    attempt: Int64
    wasted: Bool
    reasoning: Int64
    upgraded: Bool
    quality: Float64
    blocks: UInt64
    block_counts: Int32

    def take(self, index: Int64) -> "FeatureCalls":
        """The chosen calls, in that order; a call may be taken more than once."""
        columns = {
            field.name: getattr(self, field.name)[index]
            for field in fields(self)
            if field.name != "blocks"
        }
        counts = self.block_counts.astype(np.int64)
        begins = np.cumsum(counts) - counts
        taken = counts[index]
        offsets = np.cumsum(taken) - taken
        at = np.arange(taken.sum()) + np.repeat(begins[index] - offsets, taken)
        return FeatureCalls(blocks=self.blocks[at], **columns)


def mix(*parts: "UInt64 | int") -> UInt64:
    """64-bit names from numbers (splitmix64's finalizer, Steele et al. 2014), arrays welcome."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = state ^ np.asarray(part, np.uint64)
            state = state + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state
