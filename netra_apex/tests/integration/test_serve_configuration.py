"""`apex serve` and its configuration: refuses a broken start, follows changes while it runs."""

import os
import re
import signal
import subprocess

import httpx
import pytest

from netra_core.testing import BaseIntegrationTest


@pytest.mark.integration
@pytest.mark.process
class TestServedConfiguration(BaseIntegrationTest):
    """Segment: operators.

    Goal: a broken configuration is refused before it hurts, and a good one counts at once.
    Value: changes without restarts, and no outage by a typing error.
    Impact: a service that starts broken in production fails its users one by one.
    """

    def test_production_refuses_to_start_and_says_every_critical_finding_at_once(self) -> None:
        self.env.update({"ENVIRONMENT": "production", "DEBUG": "1"}, "operator")
        process = self.start_process(["-m", "netra_apex", "serve", "--port", "0"])
        said = process.communicate()[0]
        assert process.returncode == 1
        assert "Traceback" not in said and len(said.strip().splitlines()) == 1
        for key in (
            "auth.fernet_key",
            "auth.service_secret",
            "database.platform_url",
            "deployment.debug",
            "http.public_url",
        ):
            assert key in said
        assert not (self.home / "keys").exists(), "no secrets are made up in production"

    async def test_a_running_server_follows_files_signals_and_other_processes(self) -> None:
        self.env.update({"ENVIRONMENT": "development", "APEX_CONFIG_POLL_S": "0.1"}, "operator")
        file = self.home / "apex.toml"
        file.write_text("[runs]\nmax_total = 40\n")
        server = self.start_process(["-m", "netra_apex", "serve", "--port", "0"])
        async with httpx.AsyncClient(base_url=self._address(server), timeout=30) as http:
            body = {"email": "ada@example.com", "password": "correct horse ada staple 9"}
            signed = (await http.post("/auth/register", json=body)).json()
            http.headers["Authorization"] = f"Bearer {signed['access_token']}"

            async def value(key: str) -> object:
                return (await http.get(f"/api/config/keys/{key}")).json()["value"]

            async def ready() -> int:
                return (await http.get("/health/ready")).status_code

            async def becomes(key: str, wanted: object) -> bool:
                return await value(key) == wanted

            assert (await value("runs.max_total"), await ready()) == (40, 200)
            other = self.start_process(["-m", "netra_apex", "config", "set", "llm.model", "gpt-5"])
            assert other.communicate()[0] == "revision 1\n"
            await self.eventually(lambda: becomes("llm.model", "gpt-5"), what="another's change")

            file.write_text("[runs]\nmax_total = 41\n")
            await self.eventually(lambda: becomes("runs.max_total", 41), what="the file's change")

            async def refused() -> bool:
                return await ready() == 503

            file.write_text("[runs]\nmax_total = 'many'\n")
            os.kill(server.pid, signal.SIGHUP)
            await self.eventually(refused, what="readiness to turn false")
            assert await value("runs.max_total") == 41, "what was valid stays in force"

            async def mended() -> bool:
                return await ready() == 200

            file.write_text("[runs]\nmax_total = 42\n")
            os.kill(server.pid, signal.SIGHUP)
            await self.eventually(mended, what="readiness to turn true")
            assert await value("runs.max_total") == 42

    @staticmethod
    def _address(server: "subprocess.Popen[str]") -> str:
        assert server.stdout
        for line in server.stdout:
            if found := re.search(r"ready on (http://\S+)", line):
                return found[1]
        raise AssertionError("the server ended before it was ready")
