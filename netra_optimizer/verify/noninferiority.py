"""Is the cheaper one no worse? Paired one-sided non-inferiority at a margin set before.

H0: mean(candidate - baseline) ≤ -margin. Rejected (approved) when the lower one-sided bound of the
mean difference lies above -margin. The bound inverts the score test for paired binary outcomes
(Tango 1998: the variance under H0, not the observed one, so the size holds at the margin) and is
Student's for other scores. With two-sided labels: 'inferior' when the upper bound is below -margin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

ALPHA: Final = 0.05
POWER: Final = 0.80

Verdict = Literal["non_inferior", "inferior", "underpowered"]


@dataclass(frozen=True)
class NonInferiority:
    """The test's answer. `delta` is mean(candidate - baseline), `lower`/`upper` one-sided bounds.

    `needed` is the number of paired items at which the test has 80 % power if nothing differs.
    """

    items: int
    delta: float
    lower: float
    upper: float
    margin: float
    verdict: Verdict
    needed: int

    @property
    def better(self) -> bool:
        """True when the candidate is better beyond doubt: the lower bound is above zero."""
        return self.lower > 0


def non_inferiority(
    baseline: NDArray[np.float64],
    candidate: NDArray[np.float64],
    *,
    margin: float,
    alpha: float = ALPHA,
) -> NonInferiority:
    """Test paired scores (same items, same order); scores in any one scale, margin in it too."""
    difference = candidate - baseline
    items = len(difference)
    if items < 2:
        return NonInferiority(
            items, 0.0, -np.inf, np.inf, margin, "underpowered", sample_size(margin)
        )
    if np.isin(difference, (-1.0, 0.0, 1.0)).all():
        lower, upper = _score_bounds(difference, alpha)
    else:
        error = float(difference.std(ddof=1)) / float(np.sqrt(items))
        reach = float(special.stdtrit(items - 1, 1 - alpha)) * error
        lower, upper = float(difference.mean()) - reach, float(difference.mean()) + reach
    verdict: Verdict = "underpowered"
    if lower > -margin:
        verdict = "non_inferior"
    elif upper < -margin:
        verdict = "inferior"
    variance = float(difference.var(ddof=1))
    needed = sample_size(margin, variance=max(variance, 1e-6), alpha=alpha)
    return NonInferiority(items, float(difference.mean()), lower, upper, margin, verdict, needed)


def sample_size(
    margin: float, *, variance: float = 0.25, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Paired items for the given power at no true difference: (z_a + z_b)^2 variance / margin^2.

    `variance` of a paired difference; 0.25 stands for answers that disagree on a quarter of items.
    """
    reach = float(special.ndtri(1 - alpha) + special.ndtri(power))
    return int(np.ceil(reach**2 * variance / margin**2))


def _score_bounds(difference: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """One-sided bounds of a paired binary difference by inverting Tango's score test."""
    items = len(difference)
    gained = int((difference > 0).sum())
    lost = int((difference < 0).sum())
    reach = float(special.ndtri(1 - alpha))
    delta = (gained - lost) / items

    def score(at: float) -> float:
        """Signed score statistic of H0: difference = at."""
        # Root of 2n x^2 + (-b - c + (2n - b + c) at) x - c at (1 - at), the H0 estimate of P(lost).
        linear = -(gained + lost) + (2 * items - gained + lost) * at
        rest = -lost * at * (1 - at)
        p_lost = (np.sqrt(max(linear**2 - 8 * items * rest, 0.0)) - linear) / (4 * items)
        variance = items * max(2 * p_lost + at * (1 - at), 0.0)
        gap = gained - lost - items * at
        return float(gap / np.sqrt(variance)) if variance > 0 else float(np.sign(gap)) * np.inf

    lower = _root(lambda at: score(at) - reach, -1 + 1e-9, delta - 1e-12)
    upper = _root(lambda at: score(at) + reach, delta + 1e-12, 1 - 1e-9)
    return lower, upper


def _root(function: Callable[[float], float], left: float, right: float) -> float:
    """Where the function crosses zero, or the nearer end where it does not."""
    low, high = function(left), function(right)
    if not np.isfinite(low + high) or low * high > 0:
        return left if abs(low) < abs(high) else right
    return optimize.root_scalar(function, bracket=(left, right), xtol=1e-9).root
