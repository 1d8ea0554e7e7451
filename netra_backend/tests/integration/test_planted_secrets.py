"""Fifty secrets are planted wherever secrets can be; nothing that comes out holds one."""

import io
import json
import logging
import secrets as randomness
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from httpx import AsyncClient
from typer.testing import CliRunner

from netra_apex.commands.config import config_app
from netra_backend.tests.kit import stack
from netra_core.configuration import (
    ConfigurationManagerFactory,
    UnifiedConfigurationManager,
    open_configuration,
)
from netra_core.configuration.cross_service import CrossServiceConfigValidator
from netra_core.configuration.documentation import markdown, template
from netra_core.environment import get_env
from netra_core.errors import ConfigurationError
from netra_core.telemetry import configure_logging, get_logger
from netra_core.testing import BaseIntegrationTest

TOTAL = 50
COMMANDS = ("show", "show --json", "explain auth.service_secret", "history", "diff 0 --json")
STORED = (
    "llm.openai_api_key",
    "llm.anthropic_api_key",
    "llm.gemini_api_key",
    "auth.smtp_url",
    "auth.jwt_secret_key",
)


class Planter:
    """Makes secrets and remembers them: plain ones, within URLs, within a key file."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def secret(self) -> str:
        self.planted.append(f"Planted{len(self.planted)}{randomness.token_hex(16)}")
        return self.planted[-1]

    def url(self, scheme: str) -> str:
        return f"{scheme}://apex:{self.secret()}@host.example.com/apex"


@pytest.mark.integration
class TestPlantedSecrets(BaseIntegrationTest):
    """Segment: every team that runs Apex.

    Goal: a secret that is given to Apex is seen by nobody.
    Value: logs, tickets, screens and backups can be shared without care.
    Impact: one leaked key costs more than the platform saves.
    """

    @pytest.fixture
    def log(self) -> Iterator[io.StringIO]:
        root = logging.getLogger()
        level, handlers, stream = root.level, list(root.handlers), io.StringIO()
        yield stream
        root.handlers[:] = handlers
        root.setLevel(level)

    def plant(self, planter: Planter) -> UnifiedConfigurationManager:
        """Plants secrets in variables, the file, the database of all scopes and overrides."""
        self.env.update(
            {
                "SERVICE_SECRET": planter.secret(),
                "FERNET_KEY": f"{planter.secret()},{planter.secret()}",
                "JWT_SECRET_KEY": planter.secret(),
                "OPENAI_API_KEY": planter.secret(),
                "POSTGRES_PASSWORD": planter.secret(),
                "REDIS_URL": planter.url("redis"),
                "CLICKHOUSE_URL": planter.url("https"),
                "AUTH_DATABASE_URL": planter.url("postgresql"),
                "DBOS_DATABASE_URL": planter.url("postgresql"),
                "GOOGLE_OAUTH_CLIENT_SECRET_TEST": planter.secret(),
                "APEX_AUTH_OIDC_PROVIDERS": json.dumps([{"client_secret": planter.secret()}]),
                "UNRELATED_API_TOKEN": planter.secret(),
            },
            "operator",
        )
        (self.home / "apex.toml").write_text(
            f'[auth]\nsmtp_url = "{planter.url("smtp")}"\n'
            f'[llm]\ngemini_api_key = "{planter.secret()}"\n'
            f'[service.auth.auth]\nservice_secret = "{planter.secret()}"\n'
        )
        manager = open_configuration(self.env, service="backend")
        factory = ConfigurationManagerFactory(manager)
        for key in STORED:
            manager.set(key, planter.secret(), actor="admin")
            manager.set(key, planter.secret(), actor="admin")
        manager.set("llm.anthropic_api_key", planter.secret(), "override", "admin")  # type: ignore[arg-type]
        number = 0
        while len(planter.planted) < TOTAL:
            number += 1
            scoped = factory.get_manager(f"user-{number}", workspace_id=f"workspace-{number}")
            known = planter.secret()
            scoped.set("llm.openai_api_key", known, actor="u", reason=f"the key is {known}")
        return manager

    def refusals(self, manager: UnifiedConfigurationManager, planter: Planter) -> Iterator[str]:
        """The errors of bad input that holds secrets."""
        bad: list[Callable[[], object]] = [
            lambda: manager.set("llm.openai_api_key", planter.secret() + "\n"),
            lambda: manager.set("llm.openai_api_key", planter.secret() * 500),
            lambda: manager.set("http.port", planter.secret()),
            lambda: manager.set("http.public_url", planter.secret()),
            lambda: manager.set("auth.fernet_key", planter.secret()),
            lambda: manager.get_int("auth.service_secret"),
            lambda: ConfigurationManagerFactory(manager).get_user_manager("../x"),
        ]
        for action in bad:
            with pytest.raises(ConfigurationError) as refused:
                action()
            yield f"{refused.value} {refused.value!r} {refused.value.__cause__!r}"
            yield repr(refused.value.__context__)

    def shown(self, manager: UnifiedConfigurationManager) -> Iterator[str]:
        """Everything the managers show of themselves."""
        factory = ConfigurationManagerFactory(manager)
        validator = CrossServiceConfigValidator()
        views = [manager, factory.get_user_manager("user-1"), factory.get_service_manager("auth")]
        for view in views:
            yield repr(view) + repr(view.settings) + view.settings.model_dump_json()
            yield repr(view.show()) + repr([view.explain(key) for key in view.keys()])
            yield repr(view.history()) + repr(view.diff(0)) + repr(view.validate())
        yield repr(manager.core.snapshot) + repr(vars(manager.core))
        yield repr(validator.validate_manager(factory.get_service_manager))
        yield repr([validator.deletion_impact(manager, key) for key in manager.keys()])
        yield markdown() + template(manager.environment)
        yield repr(self.env) + repr(self.env.get_debug_info())

    async def test_fifty_planted_secrets_come_out_nowhere(
        self, log: io.StringIO, tmp_path: Path
    ) -> None:
        planter = Planter()
        manager = self.plant(planter)
        redactor = manager.redactor
        configure_logging(manager.settings.telemetry, redactor=redactor, stream=log)
        get_logger("test").warning("all", settings=manager.settings, env=self.env.get_all())
        outputs = [*self.refusals(manager, planter), *self.shown(manager)]
        (self.home / "apex.toml").write_text(
            f"[auth]\nx = '{planter.secret()}'\ny = {planter.secret()}"
        )
        with pytest.raises(ConfigurationError) as refused:
            manager.reload()
        outputs.append(str(refused.value))
        backup = self.home / "configuration.backup"
        manager.backup(backup)
        outputs += [await self.answers(manager, tmp_path), log.getvalue()]
        get_env().update(self.env.get_all(), "test")
        for command in COMMANDS:
            outputs.append(CliRunner().invoke(config_app, command.split()).output)
        files = [backup, *self.home.glob("config.sqlite*")]
        assert len(planter.planted) > TOTAL
        assert all(len(output) > 0 for output in outputs)
        assert all("********" in output for output in outputs[-len(COMMANDS) :])
        self.assert_no_secret(planter.planted, *outputs, *(f.read_bytes() for f in files))

    async def answers(self, manager: UnifiedConfigurationManager, folder: Path) -> str:
        """Everything the API and its pages answer."""
        paths = ["", "/history", "/check", "/diff?a=0", "/docs", "/keys/auth.jwt_secret_key"]
        paths += ["/keys/database.auth_url/impact", "?scope=workspace", "?scope=user&owner=user-1"]
        home = folder / "platform"
        async with (
            stack(home, change=lambda deps: replace(deps, configuration=manager)) as platform,
            AsyncExitStack() as exits,
        ):
            await exits.enter_async_context(http := AsyncClient(base_url=platform.server.url))
            body = {"email": "ada@example.com", "password": "correct horse ada staple 9"}
            signed = (await http.post("/auth/register", json=body)).json()
            http.headers["Authorization"] = f"Bearer {signed['access_token']}"
            answers = [await http.get(f"/api/config{path}") for path in paths]
            assert {answer.status_code for answer in answers} == {200}
            answers += [
                await http.put("/api/config/keys/http.port", json={"value": "Planted"}),
                await http.get("/health/ready"),
                await http.get("/metrics"),
                await http.get("/openapi.json"),
                await http.get("/"),
            ]
            return "\n".join(answer.text for answer in answers).replace('"Planted"', "")
