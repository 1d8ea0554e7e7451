"""What the backend is built from: handed in by whoever composes the services."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from netra_backend.identity import TokenRules
from netra_backend.reasoner import DeterministicReasoner, Reasoner
from netra_backend.runs.limits import RunLimits
from netra_core.configuration import UnifiedConfigurationManager
from netra_core.database import DatabaseSessionManager
from netra_core.events.fanout import FanOut
from netra_core.events.port import EventLog
from netra_core.state import UnifiedStateManager
from netra_core.websocket import MemoryTicketStore, SocketLimits, TicketStore

if TYPE_CHECKING:
    from netra_optimizer import UsageStore


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def new_id() -> str:
    """A random id."""
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """Settings of the backend.

    `uploads` is a folder for files on their way in. With `clustered` the node beats, watches the
    others on its database and takes over what dead ones left. `node_id` must be stable over
    restarts and differ between them; without one a node keeps a name beside `uploads`.
    Calls are kept for `keep_days`, for ever without. `service_credential` opens the auth service's
    internal routes.
    """

    uploads: Path
    dbos_url: str
    token: TokenRules
    service_credential: str = field(repr=False)
    node_id: str | None = None
    clustered: bool = False
    allowed_origins: tuple[str, ...] = ()
    max_upload_bytes: int = 2 * 1024**3
    keep_days: int | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    sockets: SocketLimits = field(default_factory=SocketLimits)


@dataclass(frozen=True, kw_only=True)
class BackendDependencies:
    """The backend's collaborators.

    Without `state` agents share none. `usage_kept` says, without opening it, whether the usage
    store was ever written: until then analytics are not loaded. The owner of what is handed in
    closes it after the app has shut down; the backend starts and stops what it makes itself: runs,
    sockets, the usage store.
    """

    options: BackendOptions
    sessions: DatabaseSessionManager
    events: EventLog
    fan_out: FanOut
    open_usage: "Callable[[], UsageStore]"
    usage_kept: Callable[[], bool] = lambda: True
    auth_client: httpx.AsyncClient
    reasoner: Reasoner = field(default_factory=DeterministicReasoner)
    tickets: TicketStore = field(default_factory=MemoryTicketStore)
    configuration: UnifiedConfigurationManager | None = None
    state: UnifiedStateManager | None = None
    clock: Callable[[], datetime] = utc_now
    ids: Callable[[], str] = new_id
