"""What is said of each setting beside its type and default."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from netra_core.environment import Environment

MAX_VALUE_CHARS: Final = 8192


class Service(StrEnum):
    """Who reads a setting."""

    BACKEND = "backend"
    AUTH = "auth"
    FRONTEND = "frontend"


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    CRITICAL = "critical"
    REQUIRED = "required"
    OPTIONAL = "optional"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Reload(StrEnum):
    """When a changed value counts: at once, after a restart, or never again once data exists."""

    LIVE = "live"
    RESTART = "restart"
    NEVER = "never"


class Scope(StrEnum):
    """For whom a value is set, widest first; the narrowest wins."""

    GLOBAL = "global"
    SERVICE = "service"
    WORKSPACE = "workspace"
    USER = "user"
    AGENT = "agent"


ALL_SERVICES: Final = frozenset(Service)
DEPLOYMENT_SCOPES: Final = frozenset({Scope.GLOBAL, Scope.SERVICE})
ALL_SCOPES: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The annotation of one field of the schema.

    `env` is the name of its environment variable; `{ENV}` in it stands for the upper-case name of
    the environment. `absence` says how severe it is when the value is absent, by environment;
    environments that are not named take it as optional. `stored` is False for what the database
    layer may not hold because it must be known before the database is. `self_service` settings may
    be set by workspaces and users for themselves; others for them by operators alone.
    """

    env: str
    services: frozenset[Service]
    secret: bool = False
    absence: Mapping[Environment, Severity] = field(default_factory=dict[Environment, Severity])
    reload: Reload = Reload.RESTART
    scopes: frozenset[Scope] = DEPLOYMENT_SCOPES
    stored: bool = True
    multiline: bool = False
    self_service: bool = False

    def variable(self, environment: Environment) -> str:
        """The name of its environment variable in this environment."""
        return self.env.replace("{ENV}", environment.name)

    def absent(self, environment: Environment) -> Severity:
        """How severe its absence is there."""
        return self.absence.get(environment, Severity.OPTIONAL)


class Section(BaseModel):
    """A group of settings about one subject; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def critical_when_deployed() -> dict[Environment, Severity]:
    """Absent, staging and production do not start."""
    return dict.fromkeys((Environment.STAGING, Environment.PRODUCTION), Severity.CRITICAL)


def required_when_deployed() -> dict[Environment, Severity]:
    """Absent, staging and production lack something people will miss."""
    return dict.fromkeys((Environment.STAGING, Environment.PRODUCTION), Severity.REQUIRED)


def live(env: str, services: Iterable[Service] = ALL_SERVICES, **more: Any) -> Setting:
    """A setting that counts from the moment it is changed."""
    return Setting(env=env, services=frozenset(services), reload=Reload.LIVE, **more)


def restart(env: str, services: Iterable[Service] = ALL_SERVICES, **more: Any) -> Setting:
    """A setting that counts from the next start."""
    return Setting(env=env, services=frozenset(services), **more)


def never(env: str, services: Iterable[Service] = ALL_SERVICES, **more: Any) -> Setting:
    """A setting that cannot change while a service runs, and that no database can hold."""
    return Setting(env=env, services=frozenset(services), reload=Reload.NEVER, stored=False, **more)


def setting_of(field_info: FieldInfo) -> Setting | None:
    """The annotation of a model field, or None where it has none."""
    return next((m for m in field_info.metadata if isinstance(m, Setting)), None)


def whole(*, ge: int, le: int) -> Any:  # Any: pydantic's field descriptor
    """Bounds of a whole number, both included."""
    return Field(ge=ge, le=le)
