"""The calls of one feature, in columns."""

from typing import Final

import numpy as np

from netra_optimizer.generate.arrivals import (
    DAY_S,
    in_bursts,
    job_arrivals,
    poisson_arrivals,
    within_group_cumsum,
)
from netra_optimizer.generate.calls import FeatureCalls, mix
from netra_optimizer.generate.extras import with_refusals, with_twins
from netra_optimizer.generate.spec import FeatureSpec
from netra_optimizer.usage.columns import Bool, Float64, Int32, Int64, UInt64

CACHE_LIFE_S: Final = 300.0
BURST_SPACING_S: Final = 20.0


def generate_feature(
    rng: np.random.Generator, spec: FeatureSpec, *, days: float, weekday: int, block_tokens: int
) -> FeatureCalls:
    """All calls of one feature over the period."""
    began, conversation, turn, first = _arrivals(rng, spec, days, weekday)
    count = len(began)
    user_tokens = _sizes(rng, spec.user_tokens, spec.sigma, count)
    output = _sizes(rng, spec.output_tokens, spec.sigma, count)
    upgraded = np.zeros(count, np.bool_)
    if spec.upgrade is not None:
        upgraded = began >= spec.upgrade.day * DAY_S
        output = np.where(upgraded, np.rint(output * spec.upgrade.output_factor), output)
        output = np.maximum(output, 1).astype(np.int64)
    said = user_tokens + np.where(turn > 0, np.roll(output, 1), 0)
    prompt = spec.system_tokens + within_group_cumsum(said, first).astype(np.int64)
    identity = mix(int(rng.integers(1 << 62)), conversation.astype(np.uint64))
    tail = turn.copy()
    if spec.repeat_share:
        prompt, identity, tail = _repeats(rng, spec, prompt, identity, tail)
    key = int(rng.integers(1 << 62))
    blocks, counts = _blocks(key, spec.system_tokens, prompt, identity, tail, block_tokens)
    ttft = spec.ttft_ms * rng.lognormal(0.0, 0.25, count) + prompt * 0.02
    latency = ttft + output / spec.tokens_per_s * 1000 * rng.lognormal(0.0, 0.15, count)
    read, written = _cache_use(spec, began, block_tokens)
    calls = FeatureCalls(
        start_s=began,
        conversation=conversation,
        turn=turn,
        user=rng.integers(0, spec.users, conversation.max(initial=0) + 1)[conversation],
        prompt=prompt,
        output=output,
        cache_read=read,
        cache_write=written,
        prompt_name=mix(identity, tail.astype(np.uint64), 7),
        latency_ms=np.round(latency, 1),
        ttft_ms=np.round(ttft, 1) if spec.streamed else np.full(count, np.nan),
        failed=rng.random(count) < spec.error_share,
        refused=np.zeros(count, np.bool_),
        attempt=np.ones(count, np.int64),
        wasted=np.zeros(count, np.bool_),
        reasoning=_reasoning(rng, spec, count),
        upgraded=upgraded,
        quality=_quality(rng, spec, upgraded),
        blocks=blocks,
        block_counts=counts,
    )
    if spec.twin_share:
        calls = with_twins(calls, rng.random(count) < spec.twin_share, rng)
    if spec.refused_share:
        calls = with_refusals(calls, rng.random(len(calls.start_s)) < spec.refused_share)
    return calls


def _reasoning(rng: np.random.Generator, spec: FeatureSpec, count: int) -> Int64:
    if not spec.reasoning_tokens:
        return np.zeros(count, np.int64)
    return _sizes(rng, spec.reasoning_tokens, spec.sigma, count)


def _arrivals(
    rng: np.random.Generator, spec: FeatureSpec, days: float, weekday: int
) -> tuple[Float64, Int64, Int64, Int64]:
    """Start, conversation, turn of each call, and where each conversation begins."""
    if spec.kind == "job":
        start = job_arrivals(
            rng,
            per_day=spec.per_day,
            days=days,
            hours=spec.job_hours,
            spacing_s=spec.job_spacing_s,
        )
    else:
        begins = spec.per_day / spec.burst
        start = poisson_arrivals(rng, per_day=begins, days=days, weekday=weekday)
        if spec.burst > 1:
            start = in_bursts(rng, start, mean=spec.burst, spacing_s=BURST_SPACING_S, days=days)
    if spec.kind != "chat":
        each = np.arange(len(start), dtype=np.int64)
        return start, each, np.zeros(len(start), np.int64), each
    turns = rng.geometric(1 / spec.turns, len(start))
    first = np.concatenate([[0], np.cumsum(turns)[:-1]]).astype(np.int64)
    conversation = np.repeat(np.arange(len(start), dtype=np.int64), turns)
    turn = np.arange(len(conversation)) - first[conversation]
    pause = spec.think_s * rng.lognormal(0.0, 0.7, len(conversation))
    pause[first] = start
    began = np.asarray(within_group_cumsum(pause, first), np.float64)
    inside = began < days * DAY_S
    return _kept(began, conversation, turn, inside)


def _kept(
    began: Float64, conversation: Int64, turn: Int64, inside: Bool
) -> tuple[Float64, Int64, Int64, Int64]:
    began, conversation, turn = began[inside], conversation[inside], turn[inside]
    return began, conversation, turn, np.flatnonzero(turn == 0)


def _sizes(rng: np.random.Generator, median: int, sigma: float, count: int) -> Int64:
    return np.maximum(1, np.rint(median * rng.lognormal(0.0, sigma, count))).astype(np.int64)


def _repeats(
    rng: np.random.Generator, spec: FeatureSpec, prompt: Int64, identity: UInt64, tail: Int64
) -> tuple[Int64, UInt64, Int64]:
    """Some calls ask one of the popular prompts, the more popular the oftener (Zipf)."""
    weight = 1 / np.arange(1, spec.popular + 1)
    chosen = rng.choice(spec.popular, len(prompt), p=weight / weight.sum())
    sizes = spec.system_tokens + _sizes(rng, spec.user_tokens, spec.sigma, spec.popular)
    names = mix(int(rng.integers(1 << 62)), np.arange(spec.popular, dtype=np.uint64))
    again = rng.random(len(prompt)) < spec.repeat_share
    return (
        np.where(again, sizes[chosen], prompt),
        np.where(again, names[chosen], identity),
        np.where(again, 0, tail),
    )


def _blocks(
    key: int, system: int, prompt: Int64, identity: UInt64, tail: Int64, size: int
) -> tuple[UInt64, Int32]:
    """Names of prefix blocks: shared ones, then the conversation's, the last one the call's own."""
    counts = -(-prompt // size)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    call = np.repeat(np.arange(len(prompt)), counts)
    place = np.arange(len(call)) - first[call]
    shared = place < system // size
    unfinished = place * size + size > prompt[call]
    own = mix(identity[call], place.astype(np.uint64))
    last = mix(own, tail[call].astype(np.uint64), 3)
    names = np.where(shared, mix(key, place.astype(np.uint64)), np.where(unfinished, last, own))
    return names.astype(np.uint64), counts.astype(np.int32)


def _cache_use(spec: FeatureSpec, began: Float64, block_tokens: int) -> tuple[Int64, Int64]:
    """What a feature that marks its shared start has been billed: read when still alive."""
    read = np.zeros(len(began), np.int64)
    written = np.zeros(len(began), np.int64)
    if spec.cache_use == "none" or not len(began):
        return read, written
    order = np.argsort(began, kind="stable")
    micros = np.rint(began[order] * 1e6).astype(np.int64)
    alive = np.diff(micros, prepend=-(10**15)) <= int(CACHE_LIFE_S * 1e6)
    read[order] = np.where(alive, spec.system_tokens, 0)
    written[order] = np.where(alive, 0, spec.system_tokens)
    return read, written


def _quality(rng: np.random.Generator, spec: FeatureSpec, upgraded: Bool) -> Float64:
    if spec.quality is None:
        return np.full(len(upgraded), np.nan)
    mean = np.full(len(upgraded), spec.quality)
    if spec.upgrade is not None:
        mean = np.where(upgraded, spec.upgrade.quality, mean)
    score = (rng.random(len(upgraded)) < mean).astype(np.float64)
    return np.where(rng.random(len(upgraded)) < spec.quality_share, score, np.nan)
