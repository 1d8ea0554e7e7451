"""The port to whatever understands language."""

from typing import Protocol

from netra_backend.reasoner.intent import Intent


class Reasoner(Protocol):
    """Understands a question. Computes nothing: numbers come from the optimizer alone."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models it calls; none for one that calls none."""
        ...

    async def understand(self, question: str) -> Intent:
        """What is asked. Never fails for lack of clarity: an overview of savings is the default."""
        ...
