"""Configuration for administrators: the operations of `apex config`, live on every node."""

import asyncio
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as InQuery
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse

from netra_backend.api.edge import Caller, Person, PlatformDep
from netra_backend.api.problems import RESPONSES
from netra_backend.errors import ForbiddenError, InvalidRequestError, NotFoundError
from netra_core.configuration import (
    BackupError,
    ChangeResult,
    ConfigurationManagerFactory,
    Explanation,
    Finding,
    HistoryRow,
    Scope,
    ShownChange,
    Source,
    UnifiedConfigurationManager,
)
from netra_core.configuration.backup import MAX_BYTES
from netra_core.configuration.cross_service import CrossServiceConfigValidator, DeletionImpact
from netra_core.configuration.documentation import markdown
from netra_core.context import Role


def require_known_names(request: Request) -> None:
    """Refuse names in the query that the route does not have: a setting of the wrong owner would
    be changed. Raises InvalidRequestError.
    """
    parameters = get_flat_params(request.scope["route"].dependant)
    known = sorted({field.alias for field in parameters if isinstance(field.field_info, InQuery)})
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise InvalidRequestError(
            f"The query has no {unknown[:80]!r} here.",
            hint=f"It may have {', '.join(known)}." if known else "It has no names at all.",
        )


router = APIRouter(
    prefix="/api/config",
    tags=["configuration"],
    responses=RESPONSES,
    dependencies=[Depends(require_known_names)],
)

T = TypeVar("T")
Reason = Annotated[str, Field(max_length=500)]


class Whose(StrEnum):
    """Whose settings: the installation's, the caller's workspace's, or the caller's own."""

    INSTALLATION = "global"
    WORKSPACE = "workspace"
    USER = "user"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewValue(_Body):
    """A value for one key; `source` override holds for this process alone, until it ends."""

    value: Any = Field(description="Text, number, true or false, or a list of text.")
    reason: Reason = ""
    source: Source = Source.DATABASE


class Back(_Body):
    """A revision to go back to."""

    revision: Annotated[int, Field(ge=0)]
    reason: Reason = ""


class SettingOut(BaseModel):
    """One setting; a secret is masked."""

    key: str
    value: Any
    source: Source
    origin: str
    scope: Scope


class SettingsOut(BaseModel):
    """All settings of a scope at one revision."""

    revision: int
    ready: bool
    items: list[SettingOut]


class FindingsOut(BaseModel):
    """Everything that is wrong, most severe first."""

    ready: bool
    items: list[Finding]


class HistoryOut(BaseModel):
    """Revisions, the latest first; `altered` names those that are not what was written."""

    items: list[HistoryRow]
    altered: list[str]


class DifferenceOut(BaseModel):
    """What the database held differently."""

    items: list[ShownChange]


class Administration:
    """The configuration as the caller may see and change it."""

    def __init__(
        self,
        root: UnifiedConfigurationManager,
        caller: Caller,
        *,
        operator: bool,
        whose: Whose,
        owner: str | None,
    ) -> None:
        self.root = root
        self.caller = caller
        self.operator = operator
        self.whose = whose
        ctx = caller.ctx
        if owner is not None:
            self.need_operator()
        factory = ConfigurationManagerFactory(root)
        match whose:
            case Whose.INSTALLATION:
                self.need_operator()
                self.manager = root
            case Whose.WORKSPACE:
                caller.need_role(Role.OWNER, Role.ADMIN)
                self.manager = factory.get_workspace_manager(owner or ctx.workspace_id)
            case Whose.USER if owner is not None:
                self.manager = factory.get_user_manager(owner)
            case Whose.USER:
                self.manager = factory.get_user_manager(ctx.user_id, ctx.workspace_id)

    def need_operator(self) -> None:
        """Raise ForbiddenError unless the caller administers the installation."""
        if not self.operator:
            raise ForbiddenError(
                "Only an operator of this installation may do this.",
                hint="Operators are named in APEX_OPERATORS.",
            )

    def visible(self, key: str) -> bool:
        """True for everything to an operator, to others for what they may set themselves."""
        if self.operator:
            return True
        known = key in self.root.core.keys
        setting = self.root.core.keys[key].setting if known else None
        return setting is not None and setting.self_service and self.whose in setting.scopes

    def need_visible(self, key: str) -> None:
        """Raise NotFoundError for a key the caller may not see."""
        if not self.visible(key):
            raise NotFoundError(f"{key[:80]!r} is no setting of this {self.whose}.")

    async def run(self, work: Callable[[], T]) -> T:
        """The answer of `work`, which may wait for the store, in a thread of its own."""
        return await asyncio.to_thread(work)


def administration(
    platform: PlatformDep,
    caller: Person,
    scope: Annotated[Whose, Query(description="Whose settings.")] = Whose.INSTALLATION,
    owner: Annotated[
        str | None, Query(description="Another workspace's or user's id; for operators.")
    ] = None,
) -> Administration:
    """What the caller may do. Raises ForbiddenError, NotFoundError."""
    root: UnifiedConfigurationManager | None = getattr(platform.deps, "configuration", None)
    if root is None:
        raise NotFoundError("This service was started without a stored configuration.")
    operator = _is_operator(root, caller)
    return Administration(root, caller, operator=operator, whose=scope, owner=owner)


def _is_operator(root: UnifiedConfigurationManager, caller: Caller) -> bool:
    named = root.settings.deployment.operators
    if named or root.environment.deployed:
        return caller.ctx.user_id in named
    return caller.ctx.has_role(Role.OWNER, Role.ADMIN)


Admin = Annotated[Administration, Depends(administration)]


def operator_only(admin: Admin) -> Administration:
    """An operator of the installation. Raises ForbiddenError."""
    admin.need_operator()
    return admin


Operator = Annotated[Administration, Depends(operator_only)]


@router.get("")
async def list_settings(admin: Admin) -> SettingsOut:
    """List every setting the caller may see, its value and where it is from."""
    manager = admin.manager
    items = [
        SettingOut(
            key=key, value=value, source=entry.source, origin=entry.origin, scope=entry.scope
        )
        for key, value in manager.show().items()
        if admin.visible(key)
        for entry in (manager.entry(key),)
    ]
    return SettingsOut(revision=manager.revision, ready=manager.ready, items=items)


@router.get("/keys/{key}")
async def explain_setting(key: str, admin: Admin) -> Explanation:
    """Say all about one setting; a secret is masked."""
    admin.need_visible(key)
    return admin.manager.explain(key)


@router.put("/keys/{key}")
async def set_setting(key: str, body: NewValue, admin: Admin) -> ChangeResult:
    """Set one setting, live on every node that shares the store; says what covers it."""
    admin.need_visible(key)
    if body.source is Source.OVERRIDE:
        admin.need_operator()
    actor = admin.caller.ctx.user_id
    return await admin.run(
        lambda: admin.manager.set(key, body.value, body.source, actor, body.reason)
    )


@router.delete("/keys/{key}")
async def delete_setting(
    key: str,
    admin: Admin,
    reason: Annotated[str, Query(max_length=500)] = "",
    source: Source = Source.DATABASE,
) -> ChangeResult:
    """Take away what was set for one setting."""
    admin.need_visible(key)
    if source is Source.OVERRIDE:
        admin.need_operator()
    actor = admin.caller.ctx.user_id
    return await admin.run(lambda: admin.manager.delete(key, source, actor, reason))


@router.get("/keys/{key}/impact")
async def deletion_impact(key: str, admin: Operator) -> DeletionImpact:
    """Say what taking the value away would break, and in which services."""
    return CrossServiceConfigValidator(admin.root.core.keys).deletion_impact(admin.root, key)


@router.get("/check")
async def check_settings(admin: Operator) -> FindingsOut:
    """Say everything that is wrong, and what to do."""
    factory = ConfigurationManagerFactory(admin.root)
    validator = CrossServiceConfigValidator(admin.root.core.keys)
    across = validator.validate_manager(factory.get_service_manager)
    known = {(f.rule, f.key, f.reason): f for f in (*admin.root.validate(), *across)}
    items = sorted(known.values(), key=lambda f: (f.severity.rank, f.key))
    return FindingsOut(ready=admin.root.ready, items=items)


@router.get("/history")
async def settings_history(
    admin: Operator,
    key: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    verify: bool = False,
) -> HistoryOut:
    """List revisions, the latest first; with `verify`, those that were altered since."""
    altered = await admin.run(admin.root.verify_history) if verify else ()
    return HistoryOut(items=admin.root.history(key, limit), altered=[str(t) for t in altered])


@router.get("/diff")
async def settings_difference(
    admin: Operator, a: Annotated[int, Query(ge=0)], b: Annotated[int | None, Query(ge=0)] = None
) -> DifferenceOut:
    """Say what the database held differently after revision `b` (the last) than after `a`."""
    return DifferenceOut(items=list(admin.root.diff(a, b)))


@router.post("/reload")
async def reload_settings(admin: Operator) -> ChangeResult:
    """Read variables, file and database again, all or nothing."""
    actor = admin.caller.ctx.user_id
    return await admin.run(lambda: admin.root.reload(actor=actor, reason="asked for by the API"))


@router.post("/rollback")
async def roll_back_settings(body: Back, admin: Operator) -> ChangeResult:
    """Make the database what it was after a revision, by a new revision."""
    actor = admin.caller.ctx.user_id
    return await admin.run(lambda: admin.root.rollback(body.revision, actor, body.reason))


@router.post("/backup", response_class=Response)
async def back_up_settings(admin: Operator) -> Response:
    """Give the stored settings, their history and secrets, encrypted with FERNET_KEY."""

    def work() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "configuration.backup"
            admin.root.backup(file)
            return file.read_bytes()

    name = f"configuration-{admin.root.revision}.backup"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(await admin.run(work), media_type="application/json", headers=headers)


@router.post("/restore")
async def restore_settings(request: Request, admin: Operator) -> ChangeResult:
    """Make the database what it was when the backup in the body was written."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            raise BackupError("The body is larger than a backup can be.")
    actor = admin.caller.ctx.user_id

    def work() -> ChangeResult:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "upload"
            file.write_bytes(content)
            return admin.root.restore(file, actor, "restored by the API")

    return await admin.run(work)


@router.get("/docs", response_class=PlainTextResponse)
async def settings_reference(_: Admin) -> PlainTextResponse:
    """Give the reference of every setting as Markdown."""
    return PlainTextResponse(markdown(), media_type="text/markdown")
