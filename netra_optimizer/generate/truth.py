"""The truth about a generated workload: planted changes applied call by call, in plain loops.

Written for plainness and kept apart from the replay it is held against: a dictionary of what a
cache holds, one call after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from msgspec import structs

from netra_optimizer.generate.spec import Planted, Scenario
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.columns import Bool, Float64, Text
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import TOKEN_BUCKETS

WASTED: Final = "planted:wasted"
"""The tag of calls that the generator knows to be of no use; no lever reads tags."""
OF_FEATURE: Final = "planted:of:"
"""Begins the tag that names the feature of a call where its own column does not."""
MINIMUM_TOKENS: Final = {"claude-haiku-4-5": 4096}
"""Where it is not 1,024."""
LIFETIMES_S: Final = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True, eq=False)
class Truth:
    """USD saved on each call: by each planted change alone, and by all of them together."""

    planted: tuple[Planted, ...]
    alone: tuple[Float64, ...]
    together: Float64

    def saved(self, at: int, rows: Bool) -> float:
        """What one planted change alone saves on the given rows."""
        return float(self.alone[at][rows].sum())

    def combined(self, rows: Bool) -> float:
        """What all of them save on the given rows."""
        return float(self.together[rows].sum())


def known_truth(frame: UsageFrame, scenario: Scenario, prices: PriceTable) -> Truth:
    """Apply each planted change alone and all together."""
    planted: list[Planted] = []
    alone: list[Float64] = []
    for change in scenario.planted:
        tried = [(way, _saved(frame, [way], prices)) for way in _ways(change, scenario)]
        way, saved = max(tried, key=lambda pair: float(pair[1].sum()))
        planted.append(way)
        alone.append(saved)
    together = _saved(frame, planted, prices) if planted else np.zeros(len(frame))
    return Truth(tuple(planted), tuple(alone), together)


def _ways(change: Planted, scenario: Scenario) -> list[Planted]:
    """The change itself, or each way to cache where the best is meant."""
    if not change.best:
        return [change]
    system = next(f.system_tokens for f in scenario.features if f.name == change.feature)
    lengths = {None, system} if system else {None}
    return [
        structs.replace(change, best=False, tokens=tokens, write=write)
        for tokens in lengths
        for write in ("5m", "1h")
    ]


def _saved(frame: UsageFrame, planted: Sequence[Planted], prices: PriceTable) -> Float64:
    by_feature: dict[str, dict[str, Planted]] = {}
    for change in planted:
        by_feature.setdefault(change.feature, {})[change.lever] = change
    calls = frame.calls
    tokens = {name: getattr(calls, name).copy() for name in TOKEN_BUCKETS}
    models, providers, tiers = calls.model.to_list(), calls.provider.to_list(), calls.tier.to_list()
    features, prompts = features_of(frame), frame.prompt_hash.to_list()
    params, status = frame.params.to_list(), frame.status.to_list()
    wasted = _wasted(frame)
    sent = np.ones(len(frame), np.bool_)
    answers: dict[tuple[str, str, str, str], int] = {}
    last_use: dict[tuple[str, int], int] = {}
    for row in range(len(frame)):
        changes = by_feature.get(features[row])
        if not changes:
            continue
        now = int(calls.start_us[row])
        if "retry_waste" in changes and wasted[row]:
            sent[row] = False
            continue
        if (change := changes.get("response_cache")) and status[row] == "ok":
            name = (features[row], models[row], prompts[row], params[row])
            ready = answers.get(name)
            if ready is not None and ready <= now <= ready + change.ttl_s * 1e6:
                sent[row] = False
                continue
            if ready is None or now > ready + change.ttl_s * 1e6:
                answers[name] = now + int(np.nan_to_num(frame.latency_ms[row]) * 1000)
        if change := changes.get("model_switch"):
            models[row], providers[row] = change.model, change.provider
        if "batch_tier" in changes:
            tiers[row] = "batch"
            for name in ("cache_read", "cache_write_5m", "cache_write_1h"):
                tokens["input_uncached"][row] += tokens[name][row]
                tokens[name][row] = 0
        elif change := changes.get("prompt_cache"):
            _cache(frame, row, change, tokens, last_use, models[row])
    edited = replace(
        calls, model=Text.of(models), provider=Text.of(providers), tier=Text.of(tiers), **tokens
    )
    after = np.where(sent, prices.cost(edited), 0.0)
    return frame.cost_usd - after


def features_of(frame: UsageFrame) -> list[str]:
    """Which feature each call is of: as its column says, else as the generator marked it."""
    names = frame.feature.to_list()
    rows = np.repeat(np.arange(len(frame)), np.diff(frame.tag_offsets)).tolist()
    for row, tag in zip(rows, frame.tags.to_list(), strict=True):
        if tag.startswith(OF_FEATURE):
            names[row] = tag.removeprefix(OF_FEATURE)
    return names


def _wasted(frame: UsageFrame) -> Bool:
    """Calls that the generator itself marked as of no use."""
    marked = np.zeros(len(frame), np.bool_)
    rows = np.repeat(np.arange(len(frame)), np.diff(frame.tag_offsets))
    marked[rows[frame.tags.equals(WASTED)]] = True
    return marked


def _cache(
    frame: UsageFrame,
    row: int,
    change: Planted,
    tokens: dict[str, np.ndarray],
    last_use: dict[tuple[str, int], int],
    model: str,
) -> None:
    """One call meets the prompt cache: read what is alive, write the rest of what is marked."""
    prompt = sum(
        int(tokens[name][row])
        for name in ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h")
    )
    size = int(frame.block_tokens[row])
    minimum = MINIMUM_TOKENS.get(model, 1024)
    marked = prompt if change.tokens is None else min(change.tokens, prompt)
    marked = marked if marked >= minimum and frame.status[row] == "ok" else 0
    now = int(frame.calls.start_us[row])
    read, alive = 0, True
    for place, block in enumerate(frame.blocks(row).tolist()):
        if place * size >= marked:
            break
        used = last_use.get((model, block))
        alive = alive and used is not None and now - used <= LIFETIMES_S[change.write] * 1e6
        if alive:
            read = min((place + 1) * size, marked)
        last_use[model, block] = now
    read = read if read >= minimum else 0
    for name in ("cache_write_5m", "cache_write_1h"):
        tokens[name][row] = 0
    tokens[f"cache_write_{change.write}"][row] = marked - read
    tokens["cache_read"][row] = read
    tokens["input_uncached"][row] = prompt - marked
