"""For whom a value counts: scopes, their owners, and the chain from all to one."""

from typing import Final, NamedTuple

from netra_core.configuration.errors import ScopeError
from netra_core.configuration.schema import Scope

MAX_OWNER_CHARS: Final = 255
_FORBIDDEN: Final = (":", "/", "\\", "..")


class ScopeKey(NamedTuple):
    """A scope and its owner: a service's name or the id of a workspace, user or agent."""

    scope: Scope
    owner: str = ""

    @classmethod
    def of(cls, scope: Scope, owner: str) -> "ScopeKey":
        """The scope of this owner.

        Raises:
            ScopeError: the owner's id is empty, too long, or holds what ids never hold.
        """
        if scope is Scope.GLOBAL:
            return GLOBAL
        if not isinstance(owner, str) or not owner:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ScopeError(f"The {scope} scope needs an owner's id.")
        if len(owner) > MAX_OWNER_CHARS:
            raise ScopeError(f"A {scope} id of {len(owner)} characters is too long.")
        bad = next((part for part in _FORBIDDEN if part in owner), None)
        if bad is not None or not owner.isprintable() or owner != owner.strip():
            why = f"holds {bad!r}" if bad else "holds blanks at its ends or control characters"
            raise ScopeError(
                f"{owner[:60]!r} cannot be a {scope} id: it {why}.",
                hint="Give the id as it was made.",
            )
        return cls(scope, owner)

    def __str__(self) -> str:
        return f"{self.scope} {self.owner}" if self.owner else str(self.scope)


GLOBAL: Final = ScopeKey(Scope.GLOBAL)

Chain = tuple[ScopeKey, ...]
"""Scopes from the widest to the narrowest; the first is always `GLOBAL`."""


def chain_of(
    *,
    service: str | None = None,
    workspace: str | None = None,
    user: str | None = None,
    agent: str | None = None,
) -> Chain:
    """The chain of whoever is named."""
    named = (
        (Scope.SERVICE, service),
        (Scope.WORKSPACE, workspace),
        (Scope.USER, user),
        (Scope.AGENT, agent),
    )
    return (GLOBAL, *(ScopeKey.of(scope, owner) for scope, owner in named if owner is not None))
