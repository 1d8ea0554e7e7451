"""Whose entries a context reaches in each scope."""

from netra_core.context import UserExecutionContext
from netra_core.database.scope import AnyContext
from netra_core.state.errors import InvalidStateKeyError, StateScopeError
from netra_core.state.types import MAX_ID, MAX_KEY, MAX_SUBJECT, Address, Owner, Scope


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
        Scope.AGENT: agent and f"{of_agents(ctx.thread_id or '')}{agent}",
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
    for name, text, longest in (
        ("workspace", workspace, MAX_ID),
        ("user", user, MAX_ID),
        *((scope.value, subject or "", MAX_SUBJECT) for scope, subject in subjects.items()),
    ):
        if len(text) > longest or not _storable(text):
            raise StateScopeError(
                f"the id of this {name} cannot own state",
                hint=f"Ids have at most {longest} characters, no NUL and no lone surrogate.",
            )
    return owners


def of_agents(thread_id: str) -> str:
    """How the subjects of a thread's agents begin; its length keeps threads apart."""
    return f"{len(thread_id)}:{thread_id}/"


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
    if not _storable(key):
        raise InvalidStateKeyError("a state key must not hold a NUL or a lone surrogate")
    return key


def check_limit(limit: int) -> int:
    """Refuse to look for nothing or for less."""
    if limit < 1:
        raise InvalidStateKeyError(f"a limit of {limit}", hint="Ask for at least one.")
    return limit


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


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
