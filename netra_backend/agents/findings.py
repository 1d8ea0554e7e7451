"""What agents hand to each other."""

from typing import Any, Final

import msgspec

from netra_backend.reasoner import Intent, LatencyWish
from netra_backend.usage.facts import Failures, LoadProfile, Profile, Repriced
from netra_optimizer.findings import Anomalies, Forecast, TimeSpent
from netra_optimizer.results import Analysis


def plain_name(name: str) -> str:
    """A name without its punctuation and case: `Support-Chat` and `support_chat` are one."""
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


class Question(msgspec.Struct, frozen=True):
    """What the user wrote."""

    text: str


class DataFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What the workspace's usage has of what the question names."""

    profile: Profile | None
    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def spelled(self, feature: str) -> str | None:
        """The feature's name as the data spells it, None where it has none."""
        wanted = plain_name(feature)
        return next((name for name in self.known if plain_name(name) == wanted), None)

    def bounds(self, wish: LatencyWish) -> tuple[str, ...] | None:
        """The features a bound on latency is for; empty: all of them; None: no one can tell.

        A wish that names no feature may still speak of one in words; one that speaks of something
        the data does not have binds nothing.
        """
        if wish.feature is not None:
            name = self.spelled(wish.feature)
            return None if name is None else (name,)
        clause = f" {plain_name(wish.text)} "
        spoken = tuple(name for name in self.known if f" {plain_name(name)} " in clause)
        if spoken:
            return spoken
        subject = [w for w in clause.split() if w not in NO_SUBJECT and not w[0].isdigit()]
        return None if subject else ()


NO_SUBJECT: Final = frozenset(
    "a an the it this that and or but so still with without for in of on at to by from up down "
    "than under below within above over beyond between most least max maximum min minimum limit "
    "bound no not never nothing anything everything everywhere all any every each whole overall "
    "total median p50 p95 average typical must may might can could should shall will would has "
    "have had need needs needed want wants is are be been being stay stays remain remains keep "
    "keeps take takes get gets go goes come comes become make makes let fine ok okay allowed "
    "acceptable enough time latency duration response responses answer answers call calls "
    "request requests result results latencies slow slower slowest fast faster fastest quick "
    "quickly long longer more less same equal quality cheap cheaper cost costs bill money spend "
    "spending save savings reduce cut lower pay budget price we us our you your i my me please "
    "ms msec millisecond milliseconds s sec secs second seconds half quarter even if when while "
    "as good".split()
)


class DataRequest(msgspec.Struct, frozen=True):
    """Look at the usage with this question in mind."""

    intent: Intent


class OptimizationRequest(msgspec.Struct, frozen=True):
    """Compute what this question needs."""

    intent: Intent
    data: DataFinding


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """What the optimizer computed; None where the question does not need it."""

    analysis: Analysis | None = None
    by_feature: tuple[Repriced, ...] = ()
    cache_audit: dict[str, Any] | None = None  # Any: JSON of the optimizer's own struct
    change: dict[str, Any] | None = None  # Any: as above
    load: LoadProfile | None = None
    repriced: tuple[Repriced, ...] = ()
    failures: Failures | None = None
    anomalies: Anomalies | None = None
    forecast: Forecast | None = None
    time: TimeSpent | None = None
    notes: tuple[str, ...] = ()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known when the answer is written."""

    intent: Intent
    data: DataFinding
    computed: Computed = Computed()
    next_steps: tuple[str, ...] = ()


class ActionPlan(msgspec.Struct, frozen=True):
    """What to do next, in order."""

    steps: tuple[str, ...]
