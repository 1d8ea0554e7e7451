"""Paired outcomes of every candidate and segment, tested as one family.

Each model and each segment that is tested is one more chance to approve by luck. The tests of one
analysis are Holm's family (1979): the chance that any approved candidate is worse by the margin is
at most 5 % in all, not for each.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from netra_optimizer.levers.base import LeverContext, Segment
from netra_optimizer.verify.noninferiority import ALPHA, NonInferiority, non_inferiority
from netra_optimizer.verify.outcomes import Outcomes, Paired


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate model, what the outcomes say of it, and on which items."""

    model: str
    provider: str
    test: NonInferiority
    paired: Paired


Key = TypeVar("Key", bound=Hashable)
Family = dict[tuple[str, str | None], list[Judged]]
"""By the current model's name in the outcomes, and the segment of the outcomes (None: all)."""


def same_model(context: LeverContext, one: str, other: str) -> bool:
    """Whether two names mean the same model to the price table."""
    if one == other:
        return True
    a, b = context.prices.resolve(one, ""), context.prices.resolve(other, "")
    return a is not None and b is not None and a.model == b.model


def judged_candidates(context: LeverContext, segment: Segment) -> list[Judged]:
    """The models of the outcomes that are cheaper for this segment, in the outcomes' order."""
    outcomes = context.outcomes
    if outcomes is None:
        return []
    own = _own_name(context, outcomes, segment.model)
    if own is None:
        return []
    family = context.judged
    if not family:
        family |= _tested(context, outcomes)
    return family.get((own, _part(outcomes, segment.feature)), [])


def _own_name(context: LeverContext, outcomes: Outcomes, model: str) -> str | None:
    return next((name for name in outcomes.models if same_model(context, name, model)), None)


def _part(outcomes: Outcomes, feature: str) -> str | None:
    return feature if feature and feature in outcomes.segments() else None


def _tested(context: LeverContext, outcomes: Outcomes) -> Family:
    """Every cheaper candidate on every part of the outcomes that some traffic is of."""
    pairs: dict[tuple[str, str | None, str], tuple[str, Paired]] = {}
    for model, features in _traffic(context).items():
        own = _own_name(context, outcomes, model)
        if own is None:
            continue
        parts = {_part(outcomes, feature) for feature in features}
        for name, provider in _cheaper(context, outcomes, own, model).items():
            for part in sorted(parts, key=lambda part: part or ""):
                pairs[own, part, name] = provider, outcomes.paired(own, name, segment=part)
    tests = holm(
        {key: paired for key, (_, paired) in pairs.items()}, context.options.quality_margin
    )
    family: Family = {}
    for (own, part, name), (provider, paired) in pairs.items():
        judged = Judged(name, provider, tests[own, part, name], paired)
        family.setdefault((own, part), []).append(judged)
    return family


def _traffic(context: LeverContext) -> dict[str, set[str]]:
    """The features of each model of the records."""
    models, features = context.frame.calls.model, context.frame.feature
    keys = np.unique(models.codes.astype(np.int64) * len(features.values) + features.codes)
    found: dict[str, set[str]] = {}
    for key in keys.tolist():
        model, feature = divmod(int(key), len(features.values))
        found.setdefault(models.values[model], set()).add(features.values[feature])
    return found


def _cheaper(context: LeverContext, outcomes: Outcomes, own: str, model: str) -> dict[str, str]:
    """Candidates of the outcomes with their provider, that a sample of the calls is cheaper on."""
    calls = context.traffic.calls
    rows = np.flatnonzero(calls.model.equals(model))
    sample = calls.take(rows[np.unique(np.linspace(0, len(rows) - 1, 64).astype(np.int64))])
    now = float(np.nansum(context.prices.cost(sample)))
    found: dict[str, str] = {}
    for name in outcomes.models:
        known = context.prices.resolve(name, "")
        if known is None or name == own or same_model(context, name, model):
            continue
        cost = context.prices.cost(sample.with_model(name, known.provider))
        if not np.isnan(cost).any() and float(cost.sum()) < now:
            found[name] = known.provider
    return found


def holm(pairs: Mapping[Key, Paired], margin: float) -> dict[Key, NonInferiority]:
    """Each test at the level at which Holm decides it: 5 % over those left, until one fails.

    Candidates with fewer than two items of a part can never be approved, and make no family.
    """
    tests = {key: _test(paired, margin, ALPHA) for key, paired in pairs.items()}
    order = sorted((k for k in tests if tests[k].items > 1), key=lambda key: tests[key].p_value)
    left, failed = len(order), False
    for key in order:
        level = ALPHA / left
        failed = failed or tests[key].p_value > level
        if level < ALPHA:
            tests[key] = _test(pairs[key], margin, level)
        left -= 0 if failed else 1
    return tests


def _test(paired: Paired, margin: float, alpha: float) -> NonInferiority:
    return non_inferiority(
        paired.baseline.score, paired.candidate.score, margin=margin, alpha=alpha
    )
