"""Bodies of requests and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from netra_auth.api_keys import ApiKey, Scope
from netra_auth.invitations import Invitation
from netra_auth.memberships import Member, Membership
from netra_auth.passwords import MAX_LENGTH
from netra_auth.people import Person
from netra_auth.sessions import SessionInfo
from netra_core import Role

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_CONTROL),
]


class Body(BaseModel):
    """A request body: unknown members are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RegisterBody(Body):
    """A new account."""

    email: Email
    password: Password
    name: Name | None = None
    invitation: Token | None = None


class LoginBody(Body):
    """Credentials of a person."""

    email: Email
    password: Password


class RefreshBody(Body):
    """A refresh token of a client without cookies."""

    refresh_token: Token


class VerifyBody(Body):
    """A mailed token and, without an access token, the password of the account."""

    token: Token
    password: Password | None = None


class EmailBody(Body):
    """An address."""

    email: Email


class ResetBody(Body):
    """A mailed token and the new password."""

    token: Token
    password: Password


class ChangePasswordBody(Body):
    """The current password and the new one."""

    current: Password
    new: Password


class RenameBody(Body):
    """A new name."""

    name: Name


class ConfirmBody(Body):
    """The password, once more; people without one need a sign-in of the last quarter hour."""

    password: Password | None = None


class TokenBody(Body):
    """A token of an invitation or another secret to look at."""

    token: Token


class SetupBody(Body):
    """The first account of an installation."""

    token: Token
    email: Email
    password: Password
    name: Name


class RoleBody(Body):
    """A role; the name of the enumeration as JSON has it."""

    role: Annotated[Role, Field(strict=False)]


class InviteBody(RoleBody):
    """Whom to invite, as what."""

    email: Email


class ApiKeyBody(Body):
    """A new API key. `expires_in` in seconds: an hour to a year."""

    name: Name
    scopes: Annotated[
        list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=len(Scope))
    ]
    expires_in: Annotated[int, Field(ge=3600, le=366 * 86_400)] = 90 * 86_400


class UserView(BaseModel):
    """A person to themselves."""

    id: str
    email: str
    name: str
    email_verified: bool

    @classmethod
    def of(cls, person: Person) -> "UserView":
        """From the account."""
        return cls(
            id=person.id,
            email=person.email,
            name=person.name,
            email_verified=person.email_verified,
        )


class WorkspaceView(BaseModel):
    """A workspace to one of its members."""

    id: str
    name: str
    role: Role

    @classmethod
    def of(cls, place: Membership) -> "WorkspaceView":
        """From the membership."""
        return cls(id=place.id, name=place.name, role=place.role)


class SignedInView(BaseModel):
    """A session. `refresh_token` is absent when it went into the cookie."""

    user: UserView
    workspace: WorkspaceView
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str | None = None


class CheckMailView(BaseModel):
    """The rest goes on by mail; the same for every address."""

    status: Literal["check_mail"] = "check_mail"


class WorkspaceTokenView(BaseModel):
    """An access token for another workspace."""

    workspace: WorkspaceView
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class MeView(BaseModel):
    """Who I am, and where."""

    user: UserView
    workspace: WorkspaceView | None
    session_id: str
    has_password: bool


class Workspaces(BaseModel):
    """Workspaces of a person."""

    items: list[WorkspaceView]
    next: str | None = None


class MemberView(BaseModel):
    """A member to the other members."""

    user_id: str
    email: str
    name: str
    role: Role

    @classmethod
    def of(cls, member: Member) -> "MemberView":
        """From the membership."""
        return cls(user_id=member.user_id, email=member.email, name=member.name, role=member.role)


class Members(BaseModel):
    """Members of a workspace."""

    items: list[MemberView]
    next: str | None = None


class InvitationView(BaseModel):
    """An open invitation. Times are Unix seconds."""

    id: str
    email: str
    role: Role
    created_at: float
    expires_at: float

    @classmethod
    def of(cls, made: Invitation) -> "InvitationView":
        """From the invitation."""
        return cls(
            id=made.id,
            email=made.email,
            role=made.role,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )


class InvitationList(BaseModel):
    """Open invitations of a workspace."""

    items: list[InvitationView]
    next: str | None = None


class SessionView(BaseModel):
    """A live session. Times are Unix seconds."""

    id: str
    method: str
    client: str
    created_at: float
    used_at: float
    expires_at: float
    current: bool

    @classmethod
    def of(cls, info: SessionInfo, *, current: str) -> "SessionView":
        """From the session, told apart from the one that asks."""
        return cls(
            id=info.id,
            method=info.method,
            client=info.client,
            created_at=info.created_at,
            used_at=info.used_at,
            expires_at=info.expires_at,
            current=info.id == current,
        )


class SessionList(BaseModel):
    """Live sessions of a person."""

    items: list[SessionView]
    next: str | None = None


class EndedView(BaseModel):
    """How many sessions were ended."""

    ended: int


class ApiKeyView(BaseModel):
    """A key without its secret. Times are Unix seconds."""

    id: str
    name: str
    hint: str
    scopes: list[Scope]
    workspace_id: str
    created_at: float
    expires_at: float
    used_at: float | None

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        """From the key."""
        return cls(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=list(key.scopes),
            workspace_id=key.workspace_id,
            created_at=key.created_at,
            expires_at=key.expires_at,
            used_at=key.used_at,
        )


class NewApiKeyView(ApiKeyView):
    """A new key with the one sight of its secret."""

    key: str


class ApiKeyList(BaseModel):
    """Live keys of a person in the current workspace."""

    items: list[ApiKeyView]
    next: str | None = None
