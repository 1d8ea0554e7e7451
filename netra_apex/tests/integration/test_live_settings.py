"""A setting called live counts in the running services from the moment it is changed."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from netra_apex.composition import composed, open_settings
from netra_auth.parts import AuthParts
from netra_backend.composition import Platform
from netra_core.configuration import Reload, UnifiedConfigurationManager, all_keys
from netra_core.context import UserExecutionContext
from netra_core.environment import IsolatedEnvironment
from netra_core.testing import BaseIntegrationTest

ADA: Final = UserExecutionContext(user_id="usr_ada", workspace_id="ws_1", request_id="r")


class Running:
    """The services of one installation, in this process."""

    def __init__(
        self, manager: UnifiedConfigurationManager, platform: Platform, auth: AuthParts
    ) -> None:
        self.manager = manager
        self.platform = platform
        self.auth = auth

    def of_ada(self, key: str) -> Any:
        """What the backend reads when it works for one user."""
        manager = self.platform.configuration_of(ADA)
        assert manager is not None
        return manager.get(key)


IN_FORCE: Final[dict[str, tuple[object, Callable[[Running], object]]]] = {
    "deployment.operators": (("usr_ada",), lambda r: r.manager.get("deployment.operators")),
    "database.pool_size": (3, lambda r: _pools(r, "pool_size")),
    "database.pool_max_overflow": (4, lambda r: _pools(r, "pool_overflow")),
    "database.pool_timeout_s": (2.5, lambda r: _pools(r, "pool_timeout_s")),
    "database.statement_timeout_s": (7.5, lambda r: _pools(r, "statement_timeout_s")),
    "auth.refresh_idle_ttl_s": (900, lambda r: r.auth.deps.options.refresh_idle_ttl_s),
    "auth.refresh_absolute_ttl_s": (901, lambda r: r.auth.deps.options.refresh_absolute_ttl_s),
    "auth.refresh_grace_s": (3.0, lambda r: r.auth.deps.options.refresh_grace_s),
    "auth.registration": ("closed", lambda r: r.auth.deps.options.registration),
    "websocket.allowed_origins": (
        ("https://else.example",),
        lambda r: r.platform.options.allowed_origins[1:],
    ),
    "websocket.max_connections_per_user": (
        2,
        lambda r: r.platform.sockets.limits.connections_per_user,
    ),
    "websocket.messages_per_minute": (7, lambda r: r.platform.sockets.limits.messages_per_minute),
    "websocket.outbox_events": (9, lambda r: r.platform.sockets.limits.outbox_events),
    "usage.max_upload_bytes": (2048, lambda r: r.platform.max_upload_bytes(ADA)),
    "usage.keep_days": (90, lambda r: r.platform.keep_days("a-workspace")),
    "runs.max_per_user": (1, lambda r: r.platform.runs.limits.per_user),
    "runs.max_total": (5, lambda r: r.platform.runs.limits.in_all),
    "runs.timeout_s": (11.0, lambda r: r.of_ada("runs.timeout_s")),
    "llm.model": ("openai:gpt-5-mini", lambda r: r.of_ada("llm.model")),
    "llm.budget_usd": (0.25, lambda r: r.of_ada("llm.budget_usd")),
    "llm.base_url": ("https://models.example/v1", lambda r: r.of_ada("llm.base_url")),
    "llm.timeout_s": (12.0, lambda r: r.of_ada("llm.timeout_s")),
    "llm.openai_api_key": ("sk-one", lambda r: _reveal(r.of_ada("llm.openai_api_key"))),
    "llm.anthropic_api_key": ("sk-two", lambda r: _reveal(r.of_ada("llm.anthropic_api_key"))),
    "llm.gemini_api_key": ("sk-three", lambda r: _reveal(r.of_ada("llm.gemini_api_key"))),
    "telemetry.log_level": ("ERROR", lambda _: logging.getLevelName(logging.getLogger().level)),
}
"""Key → a value that is no default, and where the running service holds to it."""


def _pools(running: Running, limit: str) -> object:
    """What both pools hold to; a pair where they differ."""
    pools = (running.platform.deps.sessions, running.auth.deps.database.sessions)
    found = {getattr(pool.options, limit) for pool in pools}
    return found.pop() if len(found) == 1 else found


def _reveal(secret: Any) -> object:
    return None if secret is None else secret.get_secret_value()


@asynccontextmanager
async def running(home: Path) -> AsyncGenerator[Running]:
    env = IsolatedEnvironment({"APEX_HOME": str(home), "ENVIRONMENT": "test"})
    level = logging.getLogger().level
    manager = open_settings(env, overrides={"database.platform_url": f"sqlite:///{home}/p.sqlite"})
    try:
        async with composed(manager, say=lambda _: None) as gateway:
            auth, backend = (app for _, app in gateway.services)
            yield Running(manager, backend.state.platform, auth.state.parts)
    finally:
        manager.close()
        logging.getLogger().setLevel(level)


@pytest.mark.integration
class TestLiveSettings(BaseIntegrationTest):
    """Segment: operators.

    Goal: what is called live counts without a restart, what is not says so.
    Value: limits follow the load in the hour they are needed.
    Impact: a limit that was raised and does not count costs a restart in the worst hour.
    """

    async def test_every_live_setting_is_held_to_after_a_change_and_no_other_is_called_live(
        self,
    ) -> None:
        live = {name for name, key in all_keys().items() if key.setting.reload is Reload.LIVE}
        assert live == set(IN_FORCE)
        async with running(self.home) as services:
            for key, (value, in_force) in IN_FORCE.items():
                assert in_force(services) != value, f"{key} has that value before it is set"
            for key, (value, in_force) in IN_FORCE.items():
                services.manager.set(key, value, source="override", actor="test")
                await self.eventually(
                    lambda value=value, in_force=in_force: in_force(services) == value,
                    what=f"{key} to count",
                )

    async def test_a_setting_that_counts_from_the_next_start_is_said_to_be_pending(self) -> None:
        async with running(self.home) as services:
            changed = services.manager.set("auth.access_ttl_s", 60, source="override", actor="test")
            assert changed.restart == {"auth.access_ttl_s"}
            assert services.auth.deps.options.access_ttl_s == 600
