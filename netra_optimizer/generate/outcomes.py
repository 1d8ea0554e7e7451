"""Paired scores of two models whose true difference is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netra_optimizer.generate.spec import OutcomePlan
from netra_optimizer.verify.outcomes import Outcomes


def planned_outcomes(plans: Sequence[OutcomePlan], seed: int) -> Outcomes | None:
    """Items of all plans, each answered by its two models."""
    rows: list[dict[str, Any]] = []  # Any: as rows of a file
    for number, plan in enumerate(plans):
        rng = np.random.default_rng((seed, number))
        lost = (plan.disagree - plan.difference) / 2
        gained = (plan.disagree + plan.difference) / 2
        both = plan.mean - lost
        kind = rng.choice(4, plan.items, p=[lost, gained, both, 1 - lost - gained - both])
        tokens = np.rint(250 * rng.lognormal(0.0, 0.4, plan.items)).astype(int)
        for model, right in (
            (plan.baseline, np.isin(kind, (0, 2))),
            (plan.candidate, np.isin(kind, (1, 2))),
        ):
            rows += [
                {
                    "item": f"{number}-{at}",
                    "model": model,
                    "score": float(right[at]),
                    "output_tokens": int(tokens[at]),
                }
                for at in range(plan.items)
            ]
    return Outcomes.from_rows(rows) if rows else None
