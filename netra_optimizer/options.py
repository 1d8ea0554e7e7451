"""What an analysis is asked to honour."""

from typing import Final

import msgspec

LEVERS: Final = (
    "prompt_cache",
    "response_cache",
    "batch_tier",
    "model_switch",
    "routing",
    "provider_switch",
    "retry_waste",
    "context_growth",
    "output_tokens",
)
"""Lever ids that come with the optimizer and can save money."""


class FeatureRule(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done to one feature (or to all of them).

    `max_latency_ms`: a bound on the median latency after the change; a lever that makes calls
    slower, or of which nobody knows, is left out. None: latency stays free.
    `keep_quality`: nothing that could change an answer.
    `levers`: only these; None: all. `excluded`: nothing at all.
    `may_wait`: answers may come within 24 h; None: judged by the arrivals.
    `repeat_allowed`: the same request may get the same answer; None: judged by temperature 0.
    """

    max_latency_ms: float | None = None
    keep_quality: bool = False
    levers: tuple[str, ...] | None = None
    excluded: bool = False
    may_wait: bool | None = None
    repeat_allowed: bool | None = None


class AnalysisOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of an analysis; the same options and records give the same answer, to the bit.

    `quality_margin`: how much worse a score may be, set before looking (0.02: two points of a
    share). `min_share`: a saving below this share of the whole cost is not worth a change.
    `choose_share`: the first part of the period, on which changes are chosen when there are two
    days or more; the claim is the replay of the rest. `candidates`: models that a switch is weighed
    for in place of the cheaper siblings; without a price one is left out.
    """

    seed: int = 0
    quality_margin: float = 0.02
    levers: tuple[str, ...] | None = None
    features: dict[str, FeatureRule] = {}
    everywhere: FeatureRule = FeatureRule()
    response_cache_ttl_s: float = 86_400.0
    min_share: float = 0.002
    choose_share: float = 0.4
    max_segments: int = 40
    max_candidates: int = 1
    candidates: tuple[str, ...] = ()

    def rule(self, feature: str) -> FeatureRule:
        """The rule of a feature: its own, else the one for everywhere."""
        return self.features.get(feature, self.everywhere)

    def allows(self, lever: str, feature: str) -> bool:
        """Whether a lever may be proposed for a feature."""
        rule = self.rule(feature)
        if rule.excluded or (rule.levers is not None and lever not in rule.levers):
            return False
        return self.levers is None or lever in self.levers
