"""Changes together: which of them, what their one joint replay saves, and whose share is what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Final

import numpy as np

from netra_optimizer.levers.base import LeverContext, Proposal
from netra_optimizer.levers.prompt_cache import UsePromptCache
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.verify.shapley import EXACT_PLAYERS, shapley_values

SAMPLED_ORDERS: Final = 12
Join = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Combination:
    """The chosen changes, what each record saves under all of them, and each change's share.

    `attribution` is in USD on the claim's rows, 0 for changes that others make superfluous; it adds
    up to the saving of the joint replay.
    """

    chosen: tuple[Proposal, ...]
    rows: Int64
    saved: Float64
    attribution: dict[str, float]


class _Worth:
    """Savings of coalitions within one group, by one replay each."""

    def __init__(self, context: LeverContext, group: Sequence[Proposal]) -> None:
        self._context = context
        self.rows: Int64 = np.unique(np.concatenate([p.policy.rows for p in group]))
        self._choose = context.choose[self.rows]
        self._claim = context.claim[self.rows]
        self._known: dict[frozenset[str], tuple[float, float]] = {frozenset(): (0.0, 0.0)}
        self._by_id = {p.id: p for p in group}
        self._last: tuple[frozenset[str], Float64] | None = None

    def saved(self, coalition: frozenset[str]) -> Float64:
        """By record."""
        if self._last is None or self._last[0] != coalition:
            policies = [self._by_id[name].policy for name in sorted(coalition)]
            self._last = coalition, self._context.savings(self.rows, policies)
        return self._last[1]

    def claimed(self, coalition: frozenset[str]) -> float:
        """USD on the claim's rows."""
        return self.worth(coalition)[1]

    def chosen_alone(self, name: str) -> float:
        """USD one change alone saves on the rows for choosing."""
        return self.worth(frozenset({name}))[0]

    def worth(self, coalition: frozenset[str]) -> tuple[float, float]:
        """USD on the rows for choosing, and on those of the claim."""
        if coalition not in self._known:
            saved = self.saved(coalition)
            sums = float(saved[self._choose].sum()), float(saved[self._claim].sum())
            self._known[coalition] = sums
        return self._known[coalition]


def combine(context: LeverContext, proposals: Sequence[Proposal]) -> Combination:
    """Choose, replay and attribute; groups that share no calls and no cache are done apart."""
    chosen: list[Proposal] = []
    rows: list[Int64] = []
    saved: list[Float64] = []
    attribution: dict[str, float] = {}
    for group in interacting_groups(context, proposals):
        worth = _Worth(context, group)
        best = _best_coalition([p.id for p in group], worth)
        shares = shapley_values(
            sorted(best),
            worth.claimed,
            seed=context.options.seed,
            orders=SAMPLED_ORDERS,
        )
        chosen += [p for p in group if p.id in best]
        attribution |= {p.id: shares.get(p.id, 0.0) for p in group}
        rows.append(worth.rows)
        saved.append(worth.saved(best))
    every = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    gains = np.concatenate(saved) if saved else np.zeros(0)
    order = np.argsort(every, kind="stable")
    return Combination(tuple(chosen), every[order], gains[order], attribution)


def _best_coalition(names: list[str], worth: _Worth) -> frozenset[str]:
    """The coalition that saves most where changes are chosen; smaller ones win ties.

    Every one is tried in groups up to EXACT_PLAYERS; in larger groups changes join one by one as
    long as they gain, and leave again if that gains.
    """
    if len(names) <= EXACT_PLAYERS:
        sizes = chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))
        coalitions = [frozenset(names) for names in sizes]
        return max(coalitions, key=lambda c: (round(worth.worth(c)[0], 9), -len(c)))
    full = frozenset(names)
    best = full
    improved = True
    while improved and best:
        improved = False
        for name in sorted(best, key=worth.chosen_alone):
            smaller = best - {name}
            if worth.worth(smaller)[0] >= worth.worth(best)[0]:
                best, improved = smaller, True
                break
    return best


def interacting_groups(
    context: LeverContext, proposals: Sequence[Proposal]
) -> list[list[Proposal]]:
    """Proposals that touch common calls, or whose prompts share cached prefixes, go together."""
    parent = list(range(len(proposals)))

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    def join(one: int, other: int) -> None:
        parent[root(other)] = root(one)

    _join_by_rows(context, proposals, join)
    _join_by_prefix(context, proposals, join)
    groups: dict[int, list[Proposal]] = {}
    for at, proposal in enumerate(proposals):
        groups.setdefault(root(at), []).append(proposal)
    return list(groups.values())


def _join_by_rows(context: LeverContext, proposals: Sequence[Proposal], join: Join) -> None:
    owner = np.full(len(context.frame), -1, np.int64)
    for at, proposal in enumerate(proposals):
        met = owner[proposal.policy.rows]
        for other in np.unique(met[met >= 0]).tolist():
            join(other, at)
        owner[proposal.policy.rows] = at


def _join_by_prefix(context: LeverContext, proposals: Sequence[Proposal], join: Join) -> None:
    label = np.full(len(context.frame), -1, np.int64)
    for at, proposal in enumerate(proposals):
        if isinstance(proposal.policy, UsePromptCache) and proposal.policy.blocks:
            label[proposal.policy.rows] = at
    if len(np.unique(label[label >= 0])) < 2:
        return
    for one, other in context.traffic.prefix.meetings(label):
        join(one, other)
