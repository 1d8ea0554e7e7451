"""The same model elsewhere: another seller's price, the loss of its prompt cache counted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.replay.caching_rules import caching_rule
from netra_optimizer.replay.prompt_cache import PROMPT_BUCKETS
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Latency, Quality
from netra_optimizer.usage.columns import Int64

SELLERS: Final = frozenset(
    {
        "anthropic",
        "aws",
        "azure",
        "cerebras",
        "deepseek",
        "fireworks",
        "google",
        "groq",
        "mistral",
        "moonshotai",
        "openai",
        "together",
        "x-ai",
    }
)
"""Makers and hosts that sell by the call; routers and subscriptions are left out."""
_NOISE: Final = re.compile(
    r"^(anthropic|meta|mistral|cohere|deepseek|openai|google|qwen|us|eu|global)\.|-v\d+(:\d+)?$"
    r"|@.*$|-\d{8}$|-\d{4}-\d{2}-\d{2}$|:free$|-latest$|-(turbo|fp8|instruct-turbo)$"
)


@dataclass(frozen=True, eq=False)
class MoveProvider:
    """Ask the same model at another provider; where that one caches no prompts all is plain."""

    rows: Int64
    model: str
    provider: str
    caches: bool

    @property
    def stage(self) -> Stage:
        """As a switch of the model."""
        return Stage.MODEL

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Relabel, and lose the cache where there is none."""
        stream.relabel("model", at, self.model)
        stream.relabel("provider", at, self.provider)
        if self.caches:
            return
        plain = stream.tokens("input_uncached")
        for bucket in filter(stream.has_tokens, PROMPT_BUCKETS[1:]):
            column = stream.tokens(bucket)
            plain[at] += column[at]
            column[at] = 0


def canonical_name(model: str) -> str:
    """One name for a model wherever it is sold."""
    name = model.lower().rsplit("/", 1)[-1]
    while (shorter := _NOISE.sub("", name)) != name:
        name = shorter
    return name.replace(".", "-").replace("_", "-")


class ProviderSwitchLever:
    """Cheaper sellers of the same model. Terms, regions and precision differ: to be evaluated."""

    id = "provider_switch"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """The cheapest other seller."""
        own = context.prices.resolve(segment.model, segment.provider)
        if own is None or context.rule(segment).keep_quality:
            return []
        name = canonical_name(own.model)
        best: tuple[float, MoveProvider] | None = None
        for provider in context.prices.providers():
            if provider == own.provider or provider not in SELLERS:
                continue
            for model in context.prices.models(provider):
                if canonical_name(model) != name:
                    continue
                caches = caching_rule(provider, model) is not None
                policy = MoveProvider(segment.rows, model, provider, caches)
                gain = context.chosen_saving(segment, policy)
                if gain > 0 and (best is None or gain > best[0]):
                    best = (gain, policy)
        return [] if best is None else [_proposal(segment, context, best[1])]


def _proposal(segment: Segment, context: LeverContext, policy: MoveProvider) -> Proposal:
    before = context.latency(segment.rows).p50_before
    return Proposal(
        lever="provider_switch",
        title=f"Buy {segment.model} at {policy.provider}",
        segment=segment,
        policy=policy,
        standing="needs_evaluation",
        evidence={
            "requests": context.requests(segment.rows),
            "current": segment.provider,
            "candidate": policy.provider,
            "candidate_model": policy.model,
            "prompt_cache_there": policy.caches,
            "query": where(segment),
        },
        assumptions=[
            "List prices; the same weights, so the same answers: precision, region, limits and "
            "terms are to be checked.",
        ],
        patch=patches.routed(segment.model, policy.model, policy.provider),
        effort="medium",
        risk="medium: other terms, other latency",
        rollback="Point the route back.",
        quality=Quality(None, None, False),
        latency=Latency(before, None),
        variant=policy.provider,
    )
