"""Whose rows a transaction may see."""

from dataclasses import dataclass
from typing import TypeAlias

from netra_core.context import UserExecutionContext


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContext:
    """The platform itself at work, for no user: migrations, clean-up, the event writer.

    `actor` names the part that acts ("event_log", "retention"). Code that serves a request never
    makes one.
    """

    actor: str
    request_id: str = "-"

    def __post_init__(self) -> None:
        if not self.actor:
            raise ValueError("SystemContext needs a non-empty actor")


AnyContext: TypeAlias = UserExecutionContext | SystemContext
"""Who acts: a user in a workspace, or the platform itself."""

WORKSPACE_SETTING = "apex.workspace_id"
USER_SETTING = "apex.user_id"
SYSTEM_SETTING = "apex.system"


def row_settings(ctx: AnyContext) -> dict[str, str]:
    """The transaction settings that row-level security looks at; empty text matches no row."""
    if isinstance(ctx, SystemContext):
        return {WORKSPACE_SETTING: "", USER_SETTING: "", SYSTEM_SETTING: "on"}
    return {
        WORKSPACE_SETTING: ctx.workspace_id,
        USER_SETTING: ctx.user_id,
        SYSTEM_SETTING: "off",
    }
