"""What operators do, by `apex users`, beside a service that is running."""

import asyncio
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netra_apex.commands.users import users_app
from netra_auth import Operators
from netra_auth.errors import AlreadyExists, AuditBroken, NotAllowedNow, NotFound
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import PASSWORD, Kit
from netra_core.environment import get_env

pytestmark = pytest.mark.integration


@pytest.fixture
def operators(kit: Kit) -> Operators:
    return Operators(kit.parts.deps)


async def test_an_account_is_made_by_a_link_and_no_password_passes_the_operator(
    kit: Kit, operators: Operators
) -> None:
    link = await operators.create("Ada@example.com", "Ada")
    page, _, token = link.partition("#token=")
    assert page.endswith("/reset")
    refused = {"email": "ada@example.com", "password": PASSWORD}
    assert (await kit.http.post("/auth/login", json=refused)).status_code == 401
    body = {"token": token, "password": PASSWORD}
    assert (await kit.http.post("/auth/password/reset", json=body)).status_code == 204
    account = await kit.login("ada@example.com")
    assert (await kit.me(account)).json()["user"]["name"] == "Ada"
    with pytest.raises(AlreadyExists):
        await operators.create("ada@example.com", None)


async def test_a_reset_ends_every_session_at_once(kit: Kit, operators: Operators) -> None:
    account = await kit.register("ada@example.com")
    assert "#token=apxm_" in await operators.reset("ada@example.com")
    assert (await kit.me(account)).status_code == 401


async def test_people_are_listed_with_their_state(kit: Kit, operators: Operators) -> None:
    await kit.register("ada@example.com")
    await operators.create("bob@example.com", None)
    await operators.create("eve@example.com", None)
    await operators.set_disabled("eve@example.com", disabled=True)
    states = {listed.email: listed.state for listed in await operators.people()}
    assert states == {
        "ada@example.com": "address not confirmed",
        "bob@example.com": "active",
        "eve@example.com": "disabled",
    }


async def test_an_unknown_address_is_a_clear_error(operators: Operators) -> None:
    for work in (
        operators.reset("nobody@example.com"),
        operators.set_disabled("nobody@example.com", disabled=True),
        operators.erase("nobody@example.com"),
    ):
        with pytest.raises(NotFound, match=r"nobody@example\.com"):
            await work


async def test_the_setup_link_is_made_anew_until_there_is_an_account(
    kit: Kit, operators: Operators
) -> None:
    first, second = await operators.setup_link(), await operators.setup_link()
    assert first != second
    await kit.register("ada@example.com")
    with pytest.raises(NotAllowedNow):
        await operators.setup_link()


async def test_a_broken_audit_log_is_told(kit: Kit, operators: Operators) -> None:
    from sqlalchemy import update

    from netra_auth.database.tables import audit_log

    await kit.register("ada@example.com")
    assert await operators.check_audit() == 2
    async with kit.parts.deps.database.session() as connection:
        await connection.execute(update(audit_log).values(event="nothing"))
    with pytest.raises(AuditBroken, match="entry 1"):
        await operators.check_audit()


@pytest.mark.process
async def test_disabling_from_another_process_ends_the_session_and_reaches_a_waiting_reader(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    async with start_auth(
        database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite", real_time=True
    ) as kit:
        account = await kit.register("ada@example.com")
        waiting = asyncio.create_task(kit.changes(0, wait_s=30))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "netra_apex", "users", "disable", "ada@example.com"),
            env={"APEX_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (out, process.returncode) == (b"ada@example.com is disabled.\n", 0), err
        kinds = [change["kind"] for change in (await waiting)["changes"]]
        assert kinds == ["user_disabled", "session_revoked"]
        assert (await kit.me(account)).status_code == 401


def test_the_commands_print_what_operators_need(tmp_path: Path) -> None:
    runner = CliRunner()
    with get_env().isolated({"APEX_HOME": str(tmp_path)}):

        def apex(*arguments: str) -> str:
            result = runner.invoke(users_app, arguments, catch_exceptions=False)
            assert result.exit_code == 0, result.output
            return result.output.strip()

        assert "/setup#token=apxm_" in apex("setup-link")
        assert "/reset#token=apxm_" in apex("create", "ada@example.com", "--name", "Ada")
        assert "ada@example.com" in apex("list")
        assert "/reset#token=apxm_" in apex("reset", "ada@example.com")
        assert apex("disable", "ada@example.com") == "ada@example.com is disabled."
        assert apex("enable", "ada@example.com") == "ada@example.com is enabled."
        assert apex("rotate-keys").startswith("New signing key ")
        assert apex("rotate-keys", "--leaked").startswith("New signing key ")
        assert apex("service", "create", "reporting").startswith("apxs_")
        assert apex("service", "revoke", "reporting") == "The credential reporting is revoked."
        assert apex("outbox") == "The outbox is empty."
        assert apex("erase", "--yes", "ada@example.com") == "ada@example.com is erased."
        assert apex("audit").endswith("entries, complete and unchanged.")
