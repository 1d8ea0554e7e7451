"""Imports as jobs: stopped, repeated, in another format, hostile; and too many spans at once."""

import asyncio
import gzip
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from netra_backend.errors import IngestFullError
from netra_backend.tests.kit import Clock, Person, ServerThread, Stack, person, stack
from netra_backend.usage.ingest import Ingest
from netra_backend.usage.service import UsageService
from netra_core.context import UserExecutionContext

LITELLM = {
    "call_type": "acompletion", "spend": 0.01, "total_tokens": 150, "prompt_tokens": 100,
    "completion_tokens": 50, "model": "gpt-4o", "custom_llm_provider": "openai", "metadata": {},
}  # fmt: skip


CALLS = b"timestamp,model,input_tokens,output_tokens\n2026-11-16T00:00:00Z,gpt-4o,10,1\n"


def line(row: int) -> str:
    """One call in the gateway's log, by the provider's id chatcmpl-<row>."""
    at = f"2026-11-20T{row // 3600 % 24:02}:{row // 60 % 60:02}:{row % 60:02}Z"
    call = {"request_id": f"chatcmpl-{row}", "startTime": at, "endTime": at, **LITELLM}
    return json.dumps(call) + "\n"


def spend_logs(path: Path, rows: int) -> Path:
    """An export of the gateway's log, packed."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(map(line, range(rows)))
    return path


def spans(count: int) -> dict[str, Any]:
    """An export of OTLP JSON with the same calls."""
    given = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.request.model": {"stringValue": "gpt-4o"},
        "gen_ai.usage.input_tokens": {"intValue": "100"},
        "gen_ai.usage.output_tokens": {"intValue": "50"},
    }
    made = [
        {
            "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "chat",
            "startTimeUnixNano": "1795168800000000000", "endTimeUnixNano": "1795168801000000000",
            "attributes": [
                {"key": "gen_ai.response.id", "value": {"stringValue": f"chatcmpl-{number}"}},
                *({"key": key, "value": value} for key, value in given.items()),
            ],
        }
        for number in range(count)
    ]  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}


async def requests(ada: Person) -> int:
    """How many calls a query sees."""
    return (await ada.http.get("/api/usage/summary")).json()["requests"]


async def begin(ada: Person, path: Path) -> str:
    """Upload the file; where the import is to be asked for."""
    with path.open("rb") as file:
        answer = await ada.http.post("/api/usage/import", files={"file": (path.name, file)})
    assert answer.status_code == 202, answer.text
    return f"/api/usage/imports/{answer.json()['import_id']}"


async def new_key(ada: Person, ttl_s: int) -> str:
    """A key for usage that lives so long."""
    wanted = {"name": "k", "scopes": ["usage:write"], "expires_in": ttl_s}
    made = await ada.http.post("/auth/api-keys", json=wanted)
    assert made.status_code == 201, made.text
    return made.json()["key"]


async def ended_imports(ada: Person) -> list[dict[str, Any]] | None:
    """The workspace's imports; None while one of them works."""
    found: list[dict[str, Any]] = (await ada.http.get("/api/usage/imports")).json()["items"]
    return None if {each["status"] for each in found} & {"queued", "running"} else found


async def try_key(made: Stack, key: str) -> list[tuple[int, dict[str, Any], str | None]]:
    """Status, body and challenge of spans and of a file that are sent with a key."""
    headers = {"Authorization": f"Bearer {key}"}
    file = {"file": ("c.csv", CALLS)}
    async with httpx.AsyncClient(base_url=made.url, headers=headers) as http:
        answers = [
            await http.post("/v1/traces", json=spans(5)),
            await http.post("/api/usage/import", files=file),
        ]
    return [(a.status_code, a.json(), a.headers.get("WWW-Authenticate")) for a in answers]


async def send(made: Stack, key: str) -> list[int]:
    """What spans and a file that are sent with a key are answered with."""
    return [answer[0] for answer in await try_key(made, key)]


@pytest.mark.integration
class TestImports:
    async def test_a_cancelled_import_stops_and_what_it_stored_is_recognized_later(
        self, served: ServerThread, tmp_path: Path
    ) -> None:
        rows = 140_000
        path = spend_logs(tmp_path / "spend.jsonl.gz", rows)
        async with person(served.url, "cancels") as ada:
            address = await begin(ada, path)
            while not (found := (await ada.http.get(address)).json())["rows_read"]:
                assert found["status"] in ("queued", "running")
            assert 0 < found["bytes_read"] <= found["bytes_total"] == path.stat().st_size
            await ada.http.post(f"{address}/cancel")
            while (found := (await ada.http.get(address)).json())["status"] == "running":
                pass  # it stops at once; the row says so a moment later
            stored = await requests(ada)
            whole = await ada.upload(path)
            assert found["status"] == "cancelled"
            assert stored < rows
            assert (whole["status"], whole["rows_kept"]) == ("completed", rows)
            assert await requests(ada) == rows

    async def test_spans_are_stored_while_a_file_is_read(
        self, served: ServerThread, tmp_path: Path
    ) -> None:
        path = spend_logs(tmp_path / "spend.jsonl.gz", 140_000)
        async with person(served.url, "reads") as ada, person(served.url, "sends") as eve:
            address = await begin(ada, path)
            while (await ada.http.get(address)).json()["status"] == "queued":
                pass
            answer = await eve.http.post("/v1/traces", json=spans(5))
            seen = await requests(eve)
            still = (await ada.http.get(address)).json()["status"]
            await ada.http.post(f"{address}/cancel")
        assert (answer.status_code, seen, still) == (200, 5, "running")

    async def test_a_call_known_as_a_span_is_recognized_in_the_gateway_s_log(
        self, served: ServerThread, tmp_path: Path
    ) -> None:
        async with person(served.url, "both") as ada:
            await ada.http.post("/v1/traces", json=spans(50))
            found = await ada.upload(spend_logs(tmp_path / "spend.jsonl.gz", 80))
            assert (found["status"], await requests(ada)) == ("completed", 80)

    async def test_a_key_that_is_wrong_brings_nothing_in(self, served: ServerThread) -> None:
        async with person(served.url, "wrong-key") as ada:
            wanted = {"name": "k", "scopes": ["usage:write"]}
            key = (await ada.http.post("/auth/api-keys", json=wanted)).json()["key"]
            before = await served.call(_uploads)
            async with httpx.AsyncClient(base_url=served.url) as http:
                for bearer in (f"{key[:-2]}{'aa' if key[-2:] != 'aa' else 'bb'}", "x", key[4:]):
                    headers = {"Authorization": f"Bearer {bearer}"}
                    file = {"file": ("c.csv", b"a,b\n1,2\n")}
                    refused = [
                        await http.post("/v1/traces", json=spans(5), headers=headers),
                        await http.post("/api/usage/import", files=file, headers=headers),
                    ]
                    assert [answer.status_code for answer in refused] == [401, 401]
            assert await requests(ada) == 0
            assert (await ada.http.get("/api/usage/imports")).json()["items"] == []
            assert await served.call(_uploads) == before

    async def test_a_bomb_is_refused_and_an_endless_line_costs_itself_alone(
        self, served: ServerThread, tmp_path: Path
    ) -> None:
        bomb, endless = tmp_path / "bomb.jsonl.gz", tmp_path / "line.jsonl.gz"
        with gzip.open(bomb, "wb", 9) as file:
            padded = line(1).replace("{", '{"pad": "' + " " * 20_000 + '", ', 1).encode()
            file.writelines(padded for _ in range(4000))
        with gzip.open(endless, "wt", compresslevel=1) as file:
            file.write('{"request_id": "' + "x" * (33 << 20) + '"}\n' + line(7))
        async with person(served.url, "hostile") as ada:
            refused, kept = await ada.upload(bomb), await ada.upload(endless)
            assert (refused["status"], refused["error"]["code"]) == ("failed", "OPT-108")
            assert kept["audit"] == {"rows_read": 2, "rows_kept": 1, "dropped": {"too_long": 1}}
            assert await requests(ada) == 1


@pytest.mark.integration
async def test_keys_that_are_wrong_expired_and_revoked_are_refused_alike(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with stack(tmp_path / "home", clock=clock) as made:
        async with person(made.url, "keys") as ada:
            expired, revoked = await new_key(ada, 3600), await new_key(ada, 7200)
            assert await send(made, expired) == await send(made, revoked) == [200, 202]
        clock.ahead = timedelta(hours=1)
        async with person(made.url, "keys", how="login") as ada:
            (listed,) = (await ada.http.get("/auth/api-keys")).json()["items"]
            gone = await ada.http.delete(f"/auth/api-keys/{listed['id']}")
            assert gone.status_code == 204
            while (await send(made, revoked))[0] == 200:
                pass  # the change travels by the feed
            while (brought := await ended_imports(ada)) is None:
                pass  # those that came in before
            stored, before = await requests(ada), await _uploads(made)
            answers = [
                await try_key(made, key) for key in (f"{expired[:-4]}aaaa", expired, revoked)
            ]
            assert {answer[0] for pair in answers for answer in pair} == {401}
            assert answers[0] == answers[1] == answers[2]
            assert await _uploads(made) == before
            assert await requests(ada) == stored
            assert await ended_imports(ada) == brought
            assert (stored, len(brought) > 0) == (6, True)


async def test_more_spans_than_may_wait_are_refused_and_none_is_lost(tmp_path: Path) -> None:
    from netra_optimizer import TenantUsage, UsageStore
    from netra_optimizer.usage.importers import decode_traces

    usage = UsageService(lambda: UsageStore.open(tmp_path / "store"))
    ingest = Ingest(usage, max_waiting=30)
    ctx = UserExecutionContext(user_id="u", workspace_id="w", request_id="r")
    body = json.dumps(spans(60)).encode()
    records = decode_traces(body, content_type="application/json").records
    free = threading.Event()

    def busy(_: TenantUsage, __: object) -> None:
        free.wait()

    working = [asyncio.create_task(usage.run(ctx, busy)) for _ in range(2)]
    taken = [asyncio.create_task(ingest.add(ctx, records[n : n + 10])) for n in (0, 10, 20)]
    await asyncio.sleep(0)
    with pytest.raises(IngestFullError) as refused:
        await ingest.add(ctx, records[30:40])
    assert refused.value.status == 429
    with pytest.raises(IngestFullError):
        ingest.require_room()
    assert not any(task.done() for task in taken)
    free.set()
    await asyncio.gather(*working, *taken)
    await ingest.add(ctx, records[30:])
    assert await usage.run(ctx, lambda tenant, _: tenant.count()) == 60
    await usage.close()


async def _uploads(made: Any) -> list[str]:
    return sorted(path.name for path in made.platform.deps.options.uploads.iterdir())
