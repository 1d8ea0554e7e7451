"""What agents hand to each other."""

from typing import Any

import msgspec

from netra_backend.reasoner import Intent
from netra_backend.usage.facts import Failures, LoadProfile, Profile, Repriced
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
