"""The four environments and the names they go by."""

from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from netra_core.environment.errors import UnknownEnvironmentError

ENVIRONMENT_VARIABLE: Final = "ENVIRONMENT"

_ALIASES: Final = {
    "dev": "development",
    "local": "development",
    "testing": "test",
    "stage": "staging",
    "prod": "production",
}


class Environment(StrEnum):
    """Where this process runs."""

    DEVELOPMENT = "development"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def parse(cls, name: str | None) -> "Environment":
        """The environment of this name or alias; None or blank means development.

        Raises:
            UnknownEnvironmentError: any other name, which is never taken as development.
        """
        wanted = (name or "").strip().lower()
        if not wanted:
            return cls.DEVELOPMENT
        wanted = _ALIASES.get(wanted, wanted)
        if wanted in list(cls):
            return cls(wanted)
        near = get_close_matches(wanted, [*cls, *_ALIASES], n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        choices = ", ".join(cls)
        raise UnknownEnvironmentError(
            f"{ENVIRONMENT_VARIABLE} names no environment: {wanted[:40]!r}.",
            hint=f"{hint}Use one of {choices}.",
        )

    @property
    def deployed(self) -> bool:
        """True where other people depend on it: staging and production."""
        return self in (Environment.STAGING, Environment.PRODUCTION)
