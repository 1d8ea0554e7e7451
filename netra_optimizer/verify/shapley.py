"""Sharing a joint result among those who made it: Shapley values (Shapley 1953).

phi_i = sum over S without i of |S|! (k - |S| - 1)! / k! * (v(S + i) - v(S)); they add up to v(all).
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from math import factorial
from typing import Final, TypeVar

import numpy as np

EXACT_PLAYERS: Final = 5
"""Groups up to this size are shared out exactly (2^k values); larger ones by sampled orders."""

Player = TypeVar("Player", bound=Hashable)
Value = Callable[[frozenset[Player]], float]


def shapley_values(
    players: Sequence[Player], value: Value[Player], *, seed: int = 0, orders: int = 200
) -> dict[Player, float]:
    """Each player's share of `value(all)`, given value(∅) = 0; the shares add up to it.

    Exact for up to EXACT_PLAYERS players; beyond, the mean of marginal gains over `orders` seeded
    random orders and their reversals, which adds up as well. `value` is called once a coalition.
    """
    known: dict[frozenset[Player], float] = {frozenset(): 0.0}

    def worth(coalition: frozenset[Player]) -> float:
        if coalition not in known:
            known[coalition] = value(coalition)
        return known[coalition]

    if len(players) <= EXACT_PLAYERS:
        shares = {player: _exact(player, players, worth) for player in players}
    else:
        shares = _sampled(players, worth, seed=seed, orders=orders)
    return _closed(shares, worth(frozenset(players)))


def _exact(player: Player, players: Sequence[Player], worth: Value[Player]) -> float:
    others = [other for other in players if other != player]
    share = 0.0
    for size in range(len(players)):
        weight = factorial(size) * factorial(len(players) - size - 1) / factorial(len(players))
        for chosen in combinations(others, size):
            coalition = frozenset(chosen)
            share += weight * (worth(coalition | {player}) - worth(coalition))
    return share


def _sampled(
    players: Sequence[Player], worth: Value[Player], *, seed: int, orders: int
) -> dict[Player, float]:
    rng = np.random.default_rng(seed)
    sums = dict.fromkeys(players, 0.0)
    for _ in range(orders):
        order = [players[int(at)] for at in rng.permutation(len(players))]
        for walk in (order, order[::-1]):
            coalition: frozenset[Player] = frozenset()
            for player in walk:
                larger = coalition | {player}
                sums[player] += worth(larger) - worth(coalition)
                coalition = larger
    return {player: total / (2 * orders) for player, total in sums.items()}


def _closed(shares: dict[Player, float], total: float) -> dict[Player, float]:
    """Put what floating point left over on the largest share, so that the sum is the total."""
    if shares:
        largest = max(shares, key=lambda player: abs(shares[player]))
        shares[largest] += total - sum(shares.values())
    return shares


def to_cents(shares: dict[str, float], total: float) -> dict[str, float]:
    """Shares in whole cents that add up to the total in whole cents (largest remainder)."""
    target = round(total * 100)
    floors = {key: int(np.floor(share * 100)) for key, share in shares.items()}
    missing = target - sum(floors.values())
    by_rest = sorted(shares, key=lambda key: (floors[key] - shares[key] * 100, key))
    for key in by_rest[: max(0, missing)]:
        floors[key] += 1
    return {key: cents / 100 for key, cents in floors.items()}
