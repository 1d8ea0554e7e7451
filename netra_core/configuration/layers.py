"""Where values come from, and which of them counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from netra_core.configuration.schema import Scope


class Source(StrEnum):
    """Where a value came from, strongest first."""

    OVERRIDE = "override"
    ENVIRONMENT = "environment"
    FILE = "file"
    DATABASE = "database"
    DEFAULT = "default"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return _RANKS[self]


_RANKS = {source: rank for rank, source in enumerate(Source)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of one layer and where it is from. Its repr shows no value."""

    raw: Any = field(repr=False)  # Any: text, or a TOML, JSON or Python value
    source: Source
    origin: str = ""
    """The variable, the file or the revision, for people."""
    since: datetime | None = None
    actor: str = ""
    revision: int | None = None
    scope: Scope = Scope.GLOBAL
    previous: Any = field(default=None, repr=False)  # Any: like raw; what stood there before

    @property
    def described(self) -> str:
        """Source and origin in a few words."""
        return f"{self.source}: {self.origin}" if self.origin else str(self.source)


Layer = Mapping[str, Entry]
"""Entries of one source by key."""
