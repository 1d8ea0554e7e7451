"""The port to whatever understands language."""

from typing import Protocol

from netra_backend.reasoner.intent import Intent


class Reasoner(Protocol):
    """Understands a question. Computes nothing: numbers come from the optimizer alone."""

    async def understand(self, question: str) -> Intent:
        """What is asked. Never fails for lack of clarity: an overview of savings is the default."""
        ...
