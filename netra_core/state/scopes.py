"""Whose entries a context reaches in each scope."""

from netra_core.context import UserExecutionContext
from netra_core.database.scope import AnyContext
from netra_core.state.errors import InvalidStateKeyError, StateScopeError
from netra_core.state.types import MAX_KEY, Address, Owner, Scope


def owners_of(
    ctx: AnyContext, *, agent: str | None, connection_id: str | None
) -> dict[Scope, Owner]:
    """The owner in each scope that the context has; nobody else can be named through it."""
    if not isinstance(ctx, UserExecutionContext):
        return {Scope.GLOBAL: Owner(Scope.GLOBAL)}
    workspace, user = ctx.workspace_id, ctx.user_id
    subjects = {
        Scope.SESSION: ctx.session_id,
        Scope.THREAD: ctx.thread_id,
        Scope.AGENT: agent and f"{len(ctx.thread_id or '')}:{ctx.thread_id or ''}/{agent}",
        Scope.WEBSOCKET: connection_id,
    }
    owners = {
        Scope.GLOBAL: Owner(Scope.GLOBAL),
        Scope.WORKSPACE: Owner(Scope.WORKSPACE, workspace),
        Scope.USER: Owner(Scope.USER, workspace, user),
    }
    for scope, subject in subjects.items():
        if subject:
            owners[scope] = Owner(scope, workspace, user, subject)
    return owners


def owner_in(owners: dict[Scope, Owner], scope: Scope) -> Owner:
    """The owner in one scope. Raises StateScopeError when the context has none there."""
    owner = owners.get(scope)
    if owner is None:
        raise StateScopeError(
            f"this context has no {scope.value} scope",
            hint="Give it the thread, session, agent or connection it acts in.",
        )
    return owner


def check_key(key: str) -> str:
    """Refuse keys that no entry can have."""
    if not key or not key.strip():
        raise InvalidStateKeyError("a state key must not be empty")
    if len(key) > MAX_KEY:
        raise InvalidStateKeyError(f"a state key has at most {MAX_KEY} characters")
    if "\x00" in key:
        raise InvalidStateKeyError("a state key must not hold a NUL character")
    return key


def check_ttl(ttl: float | None) -> float | None:
    """Refuse a time to live of zero or less; None means no end."""
    if ttl is not None and not ttl > 0:
        raise InvalidStateKeyError(
            f"a time to live of {ttl!r} s", hint="Leave it out for no end, or delete the key."
        )
    return ttl


def address_in(owners: dict[Scope, Owner], scope: Scope, key: str) -> Address:
    """The address of a key in a scope of the context."""
    return Address(owner_in(owners, scope), check_key(key))
