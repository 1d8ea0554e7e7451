"""The port to whatever understands language."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from netra_backend.reasoner.intent import Intent

Hearing: TypeAlias = Callable[[Intent], Awaitable[None]]
"""Told what is understood so far, more with each call; a reading begun anew begins anew."""


class Reasoner(Protocol):
    """Understands a question. Computes nothing: numbers come from the optimizer alone."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models it calls; none for one that calls none."""
        ...

    async def understand(self, question: str, *, heard: Hearing | None = None) -> Intent:
        """What is asked. Never fails for lack of clarity: an overview of savings is the default.

        A reasoner that answers piece by piece tells `heard` what is certain by then.
        """
        ...
