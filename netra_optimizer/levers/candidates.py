"""Which models could stand in: priced siblings of the same provider, cheaper, nearest first."""

import re
from typing import Final

import numpy as np

from netra_optimizer.levers.base import LeverContext, Segment
from netra_optimizer.levers.quality import same_model
from netra_optimizer.usage.frame import Calls

MUCH_CHEAPER: Final = 0.75
"""A candidate costs at most this share of the segment's calls."""
OTHER_KIND: Final = re.compile(
    r"audio|realtime|image|vision|tts|transcribe|search|embed|moderation|instruct|preview|ft[:-]|"
    r"codex|guard|latest|exp|deep-research|computer-use|live|free|cyber|:"
)


def family(model: str) -> str:
    """The first word of a model's name: claude, gpt, gemini, and o for o3."""
    name = model.lower().rsplit("/", 1)[-1]
    found = re.match(r"[a-z]+", name)
    return found.group(0) if found else name


def cheaper_siblings(context: LeverContext, segment: Segment) -> list[tuple[str, str]]:
    """(model, provider) of the same provider and family, dearest of the cheaper ones first.

    Dearest first, because price follows ability closely enough to say what to evaluate first.
    """
    prices = context.prices
    own = prices.resolve(segment.model, segment.provider)
    if own is None or OTHER_KIND.search(own.model):
        return []
    traffic = context.part(segment.rows)
    sample = traffic.calls.take(np.unique(np.linspace(0, len(traffic) - 1, 64).astype(np.int64)))
    now = float(np.nansum(prices.cost(sample)))
    found: list[tuple[float, str]] = []
    for name in prices.models(own.provider):
        if name == own.model or family(name) != family(own.model) or OTHER_KIND.search(name):
            continue
        if _major(name) < _major(own.model):
            continue
        cost = _cost(context, sample, name, own.provider)
        if cost is not None and 0 < cost <= MUCH_CHEAPER * now:
            found.append((cost, name))
    found.sort(key=lambda entry: (-_generation(entry[1], own.model), -entry[0], entry[1]))
    return [(name, own.provider) for _, name in found]


def named_candidates(context: LeverContext, segment: Segment) -> list[tuple[str, str]]:
    """(model, provider) of the models that the options name, as far as they have a price."""
    found: dict[tuple[str, str], None] = {}
    for name in context.options.candidates:
        resolved = context.prices.resolve(name, "")
        if resolved is not None and not same_model(context, segment.model, resolved.model):
            found[resolved.model, resolved.provider] = None
    return list(found)


def _cost(context: LeverContext, sample: Calls, model: str, provider: str) -> float | None:
    cost = context.prices.cost(sample.with_model(model, provider))
    return None if np.isnan(cost).any() else float(cost.sum())


def _generation(name: str, own: str) -> int:
    """1 for models of the same generation as one's own (claude-…-4-5, gpt-5…), else 0."""
    return int(_numbers(name) == _numbers(own) and _numbers(own) != ())


def _major(name: str) -> int:
    """The generation's first number; 0 where the name has none."""
    return int((_numbers(name) or ("0",))[0])


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", re.sub(r"\d{6,}", "", name)))
