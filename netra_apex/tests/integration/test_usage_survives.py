"""Usage that was acknowledged outlives the server; an import cut off is brought to its end."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from netra_backend.runs.node_id import NodeIdentity
from netra_core.testing import BaseIntegrationTest

PASSWORD = "correct horse ada staple 9"
LITELLM = {
    "call_type": "acompletion", "spend": 0.01, "total_tokens": 150, "prompt_tokens": 100,
    "completion_tokens": 50, "model": "gpt-4o", "custom_llm_provider": "openai", "metadata": {},
}  # fmt: skip


def spans(first: int, count: int, *, at_ns: int = 1_795_168_800 * 10**9) -> dict[str, Any]:
    """An export of OTLP JSON with so many calls of one moment."""
    given = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.request.model": {"stringValue": "gpt-4o"},
        "gen_ai.usage.input_tokens": {"intValue": "100"},
        "gen_ai.usage.output_tokens": {"intValue": "50"},
    }
    made = [
        {
            "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat",
            "startTimeUnixNano": f"{at_ns}", "endTimeUnixNano": f"{at_ns + 10**9}",
            "attributes": [
                {"key": key, "value": value} for key, value in given.items()
            ],
        }
        for number in range(first, first + count)
    ]  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}


def spend_logs(path: Path, rows: int) -> Path:
    """An export of the gateway's."""
    with path.open("w") as file:
        for row in range(rows):
            at = f"2026-11-20T{row // 3600 % 24:02}:{row // 60 % 60:02}:{row % 60:02}Z"
            call = {"request_id": f"chatcmpl-{row}", "startTime": at, "endTime": at, **LITELLM}
            file.write(json.dumps(call) + "\n")
    return path


def own_table(path: Path, rows: int) -> Path:
    """A table whose columns have names of its own, and times without a zone."""
    with path.open("w") as file:
        file.write("Wann,Motor,Rein,Raus,Abteilung,Nummer\n")
        for row in range(rows):
            at = f"2026-11-20 {row // 3600 % 24:02}:{row // 60 % 60:02}:{row % 60:02}"
            file.write(f"{at},gpt-4o,100,50,Haus,{row}\n")
    return path


@pytest.mark.integration
@pytest.mark.process
class TestUsageSurvives(BaseIntegrationTest):
    """Segment: operators.

    Goal: a crash costs nobody a record, and nobody is charged twice.
    Value: a collector may forget what was acknowledged.
    Impact: usage with holes makes every figure above it wrong.
    """

    def serve(self) -> "tuple[subprocess.Popen[str], httpx.AsyncClient]":
        """A server on this test's home, and a client of its address."""
        self.env.update({"ENVIRONMENT": "development"}, "operator")
        server = self.start_process(["-m", "netra_apex", "serve", "--port", "0"])
        assert server.stdout
        for line in server.stdout:
            if found := re.search(r"ready on (http://\S+)", line):
                return server, httpx.AsyncClient(base_url=found[1], timeout=60)
        raise AssertionError("the server ended before it was ready")

    @staticmethod
    async def sign_in(http: httpx.AsyncClient, name: str = "ada") -> None:
        """As somebody who is registered at the first time."""
        who = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = await http.post("/auth/register", json=who)
        if answer.status_code != 201:
            answer = await http.post("/auth/login", json=who)
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @staticmethod
    async def requests(http: httpx.AsyncClient) -> int:
        """How many calls a query sees."""
        return (await http.get("/api/usage/summary")).json()["requests"]

    async def upload(self, http: httpx.AsyncClient, path: Path, **options: str | list[str]) -> str:
        """The id of the import that has begun."""
        with path.open("rb") as file:
            answer = await http.post(
                "/api/usage/import", files={"file": (path.name, file)}, data=options
            )
        assert answer.status_code == 202, answer.text
        return answer.json()["import_id"]

    async def ended(self, http: httpx.AsyncClient, import_id: str) -> dict[str, Any]:
        """The import once it has ended."""

        async def look() -> dict[str, Any] | None:
            found = (await http.get(f"/api/usage/imports/{import_id}")).json()
            return None if found["status"] in ("queued", "running") else found

        return await self.eventually(look, what="the import's end", within_s=120)

    async def test_spans_acknowledged_just_before_a_kill_are_there_after_it(self) -> None:
        server, http = self.serve()
        async with http:
            await self.sign_in(http)
            for first in range(0, 1500, 500):
                answer = await http.post("/v1/traces", json=spans(first, 500))
                assert answer.status_code == 200
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        _, http = self.serve()
        async with http:
            await self.sign_in(http)
            assert await self.requests(http) == 1500
            again = await http.post("/v1/traces", json=spans(0, 1500))
            assert (again.status_code, await self.requests(http)) == (200, 1500)

    async def test_files_of_a_killed_server_go_at_the_next_start_and_those_of_the_living_stay(
        self,
    ) -> None:
        uploads = self.home / "uploads"
        server, http = self.serve()
        async with http:
            await self.sign_in(http)
            path = spend_logs(self.home / "spend.jsonl", 30_000)
            assert (await self.ended(http, await self.upload(http, path)))["status"] == "completed"
            async with http.stream("GET", "/api/usage/export?format=csv") as answer:
                assert answer.status_code == 200  # and nobody reads on: the file waits
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
        (left,) = uploads.glob("*.export")
        with NodeIdentity(self.home / "nodes") as first, NodeIdentity(self.home / "nodes") as other:
            assert left.name.startswith(f"{first.name}~")
            mine = uploads / f"{other.name}~living.export"
            mine.write_text("a,b")
            first.release()
            server, http = self.serve()
            await http.aclose()
            assert list(uploads.iterdir()) == [mine]
            server.kill()
            server.wait()
        _, http = self.serve()
        await http.aclose()
        assert not list(uploads.iterdir())

    async def test_a_removal_cut_off_ends_after_the_next_start_and_tells_what_was_there_before(
        self,
    ) -> None:
        rows = 70_000
        path = spend_logs(self.home / "spend.jsonl", rows)
        server, http = self.serve()
        async with http:
            await self.sign_in(http, "eve")
            await http.post("/v1/traces", json=spans(0, 50))
            await self.sign_in(http)
            assert (await self.ended(http, await self.upload(http, path)))["rows_kept"] == rows
            day = {"to": "2026-11-20T12:00:00Z"}
            going = (await http.get("/api/usage/summary", params=day)).json()["requests"]
            begun = await http.post("/api/usage/erase", json=day)
            where = f"/api/usage/removals/{begun.json()['removal_id']}"
            while (await http.get(where)).json()["status"] == "queued":
                pass
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        _, http = self.serve()
        async with http:
            await self.sign_in(http)

            async def done() -> dict[str, Any] | None:
                found = (await http.get(where)).json()
                return found if found["status"] in ("completed", "failed") else None

            found = await self.eventually(done, what="the removal's end", within_s=60)
            assert (found["status"], found["error"]) == ("completed", None)
            assert found["calls_before"] == rows
            assert found["calls_removed"] == going == rows - found["calls_after"] > 0
            assert await self.requests(http) == found["calls_after"]
            await self.sign_in(http, "eve")
            assert await self.requests(http) == 50

    async def test_a_workspace_that_limits_how_long_it_keeps_calls_limits_no_other(self) -> None:
        server, http = self.serve()
        async with http:
            for name in ("eve", "ada"):
                await self.sign_in(http, name)
                await http.post("/v1/traces", json=spans(0, 5, at_ns=1_500_000_000 * 10**9))
                await http.post("/v1/traces", json=spans(5, 2))
            where = "/api/config/keys/usage.keep_days?scope=workspace"
            refused = await http.put(where, json={"value": 0})
            given = await http.put(where, json={"value": 3000})
            assert (refused.status_code, given.status_code) == (422, 200), given.text
            due = (await http.get("/api/usage/retention")).json()
            assert (due["keep_days"], due["calls_due"]) == (3000, 5)
            os.kill(server.pid, signal.SIGTERM)
            server.wait()
        _, http = self.serve()
        async with http:
            await self.sign_in(http)

            async def swept() -> dict[str, Any] | None:
                found = (await http.get("/api/usage/removals")).json()["items"]
                return found[0] if found and found[0]["ended_at"] else None

            gone = await self.eventually(swept, what="the removal's end", within_s=60)
            assert (gone["kind"], gone["calls_removed"], gone["calls_after"]) == ("retention", 5, 2)
            assert await self.requests(http) == 2
            await self.sign_in(http, "eve")
            assert await self.requests(http) == 7
            kept = (await http.get("/api/usage/retention")).json()
            assert kept == {"keep_days": None, "kept_since": None, "calls_due": 0}

    async def test_an_import_cut_off_by_a_stop_ends_after_the_next_start_with_each_row_once(
        self,
    ) -> None:
        rows = 140_000
        path = spend_logs(self.home / "spend.jsonl", rows)
        server, http = self.serve()
        async with http:
            await self.sign_in(http)
            import_id = await self.upload(http, path)

            async def begun() -> int:
                return await self.requests(http)

            stored = await self.eventually(begun, what="the first block", within_s=60)
            os.kill(server.pid, signal.SIGTERM)
            server.wait()
        assert 0 < stored < rows
        _, http = self.serve()
        async with http:
            await self.sign_in(http)
            found = await self.ended(http, import_id)
            assert (found["status"], found["rows_kept"]) == ("completed", rows)
            assert await self.requests(http) == rows
            again = await self.ended(http, await self.upload(http, path))
            assert (again["status"], await self.requests(http)) == ("completed", rows)
        assert not list((self.home / "uploads").iterdir())

    async def test_an_import_cut_off_by_a_kill_goes_on_with_the_zone_and_columns_it_was_given(
        self,
    ) -> None:
        rows = 140_000
        path = own_table(self.home / "house.csv", rows)
        columns = ["start=Wann", "model=Motor", "input=Rein", "output=Raus", "team=Abteilung"]
        server, http = self.serve()
        async with http:
            await self.sign_in(http)
            given: dict[str, str | list[str]] = {"timezone": "Asia/Tokyo", "map": columns}
            import_id = await self.upload(http, path, **given)

            async def begun() -> int:
                return await self.requests(http)

            stored = await self.eventually(begun, what="the first block", within_s=60)
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        assert 0 < stored < rows
        with closing(sqlite3.connect(self.home / "platform.sqlite")) as platform:
            assert platform.execute("SELECT begun FROM imports").fetchall() == [(1,)]
        _, http = self.serve()
        async with http:
            await self.sign_in(http)
            found = await self.ended(http, import_id)
            assert (found["status"], found["rows_kept"]) == ("completed", rows)
            total = (await http.get("/api/usage/summary")).json()
            split = (await http.get("/api/usage/breakdown", params={"by": "team"})).json()
            again = await self.ended(http, await self.upload(http, path, **given))
            assert (again["status"], await self.requests(http)) == ("completed", rows)
        assert (total["requests"], total["input_tokens"]) == (rows, 100 * rows)
        assert total["first"] == "2026-11-19T15:00:00.000000Z"  # midnight of the 20th in Tokyo
        assert [row["key"] for row in split["items"]] == ["Haus"]
        assert not list((self.home / "uploads").iterdir())
