"""How alike is alike enough: a threshold chosen on some labelled pairs and proven on the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.levers.embedding import MAX_CHARACTERS, Embedder, normalized
from netra_optimizer.levers.labelled_pairs import LabelledPair, grouped
from netra_optimizer.levers.wording import wording

FALSE_HIT_BUDGET: Final = 0.01
CONFIDENCE: Final = 0.95
LEAST_LIKENESS: Final = 0.8
"""No threshold is set below this, whatever the pairs allow."""
CHOOSE_SHARE: Final = 0.4
Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """The likeness from which a hit is allowed, and what that rests on.

    `proven`: on pairs that had no part in choosing it, the upper bound of the share of hits that
    are false is within the budget. `bound` is that bound (Clopper and Pearson, one-sided), and
    `confusion_bound` the one of the share of different questions that hit. `pairs_needed`: how many
    labelled pairs like these a proof takes; None where no number would do.
    """

    threshold: float
    proven: bool
    embedder: str
    pairs: int
    proving_pairs: int
    hits: int
    false_hits: int
    bound: float
    confusion_bound: float
    found_share: float
    """Share of the pairs that mean the same which hit."""
    pairs_needed: int | None
    budget: float
    confidence: float


def calibrate(
    pairs: Sequence[LabelledPair],
    embedder: Embedder,
    *,
    budget: float = FALSE_HIT_BUDGET,
    confidence: float = CONFIDENCE,
) -> Calibration:
    """Choose the threshold on two fifths of the pairs, by groups, and prove it on the rest.

    A hit is a pair of one wording whose likeness reaches the threshold. The threshold is the lowest
    one (at least LEAST_LIKENESS) with at most half the budget of false hits where it is chosen.
    With no false hit a budget of 1 % takes 299 hits to prove.
    """
    pairs = [pair for pair in grouped(pairs) if normalized(pair.one) != normalized(pair.other)]
    alike = likenesses(pairs, embedder)
    same = np.array([pair.same for pair in pairs], np.bool_)
    choosing = np.array([_chooses(pair.group) for pair in pairs], np.bool_)
    threshold = _lowest(alike[choosing], same[choosing], budget / 2)
    hit, right = alike[~choosing] >= threshold, same[~choosing]
    hits, false = int(hit.sum()), int((hit & ~right).sum())
    bound = upper_bound(false, hits, confidence)
    proving = int((~choosing).sum())
    needed = _hits_needed(false / hits if hits else 0.0, budget, confidence)
    return Calibration(
        threshold=threshold,
        proven=embedder.measures_meaning and bound <= budget,
        embedder=embedder.name,
        pairs=len(pairs),
        proving_pairs=proving,
        hits=hits,
        false_hits=false,
        bound=bound,
        confusion_bound=upper_bound(false, int((~right).sum()), confidence),
        found_share=float((hit & right).sum() / max(1, int(right.sum()))),
        pairs_needed=math.ceil(needed * len(pairs) / max(1, hits)) if needed else None,
        budget=budget,
        confidence=confidence,
    )


def likenesses(pairs: Sequence[LabelledPair], embedder: Embedder) -> Float32:
    """Of each pair, float32[n]; -1 where the wording differs or a text is too long to compare."""
    alike = np.full(len(pairs), -1.0, np.float32)
    comparable = [
        at
        for at, pair in enumerate(pairs)
        if max(len(pair.one), len(pair.other)) <= MAX_CHARACTERS
        and wording(pair.one) == wording(pair.other)
    ]
    texts = sorted({text for at in comparable for text in (pairs[at].one, pairs[at].other)})
    row = {text: at for at, text in enumerate(texts)}
    vectors = embedder.embed(texts)
    for at in comparable:
        alike[at] = vectors[row[pairs[at].one]] @ vectors[row[pairs[at].other]]
    return alike


def upper_bound(false: int, hits: int, confidence: float = CONFIDENCE) -> float:
    """Clopper and Pearson's one-sided upper bound of a share; 1 without a hit."""
    if false >= hits:
        return 1.0
    return float(special.betaincinv(false + 1, hits - false, confidence))


def _chooses(group: str) -> bool:
    return crc32(group.encode("utf-8", "replace")) % 100 < 100 * CHOOSE_SHARE


def _lowest(alike: Float32, same: Bool, allowed: float) -> float:
    """The lowest threshold whose share of false hits is allowed; just above 1 when none is."""
    order = np.argsort(-alike, kind="stable")
    ranked, wrong = alike[order], np.cumsum(~same[order])
    count = np.arange(1, len(ranked) + 1)
    last = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    fit = np.flatnonzero((wrong <= allowed * count) & last & (ranked >= LEAST_LIKENESS))
    if len(fit):
        deepest = int(fit[-1])
        beyond = ranked[deepest + 1 :]
        if not len(beyond) or beyond[0] < LEAST_LIKENESS:
            return LEAST_LIKENESS
        return float(ranked[deepest])
    return LEAST_LIKENESS if not len(ranked) or ranked[0] < LEAST_LIKENESS else 1.01


def _hits_needed(rate: float, budget: float, confidence: float) -> int | None:
    """The least number of hits, of which `rate` are false, that proves the budget."""
    if rate >= budget:
        return None
    low, high = 0, 1
    while upper_bound(math.ceil(rate * high), high, confidence) > budget:
        low, high = high, 2 * high
        if high > 10**8:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(math.ceil(rate * middle), middle, confidence) > budget:
            low = middle
        else:
            high = middle
    return high
