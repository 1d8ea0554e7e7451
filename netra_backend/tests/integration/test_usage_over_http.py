"""Usage comes in as files and as spans, by people and by keys, into one workspace only."""

import asyncio
import csv
import gzip
import io
import json
import time
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from netra_backend.identity.revocations import Change
from netra_backend.tests.kit import Person, ServerThread, person
from netra_backend.usage.choice import UsageChoice
from netra_backend.usage.ingest import BODY_WITHIN_S
from netra_backend.usage.service import UsageService
from netra_core.context import UserExecutionContext
from netra_optimizer import UsageStore

WRITE = ["usage:write"]
CALLS = b"timestamp,model,input_tokens,output_tokens\n2026-11-16T00:00:00Z,gpt-4o,10,1\n"


@pytest.fixture
def unreadable_files(tmp_path: Path) -> tuple[Path, Path]:
    """One with nothing in it, one that is no table."""
    empty, binary = tmp_path / "empty.jsonl", tmp_path / "photo.png"
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 40)
    return empty, binary


@pytest.fixture
def half_priced(tmp_path: Path) -> Path:
    """Two calls, one of a model that nobody knows."""
    path = tmp_path / "half.csv"
    path.write_bytes(CALLS + CALLS.splitlines()[1].replace(b"gpt-4o", b"house-model-9"))
    return path


async def api_key(owner: Person, scopes: list[str]) -> str:
    """A key of the person's workspace."""
    made = await owner.http.post("/auth/api-keys", json={"name": "collector", "scopes": scopes})
    assert made.status_code == 201, made.text
    return made.json()["key"]


async def begun_and_left(url: str, token: str, *, declared: int, sent: bytes) -> bytes:
    """The answer to an export of which no more than its beginning is ever sent."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: {token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {declared}\r\n\r\n"
        writer.write(head.encode() + sent)
        return await reader.read(4096) + await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def span(number: int, **attributes: Any) -> dict[str, Any]:
    """One span of a call in OTLP JSON."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **attributes,
    }
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1795168800000000000",
        "endTimeUnixNano": "1795168801000000000",
        "attributes": [
            {
                "key": key,
                "value": {"intValue": str(value)}
                if isinstance(value, int)
                else {"stringValue": value},
            }
            for key, value in given.items()
        ],
    }


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


class TestUsageOverHttp:
    async def test_spans_sent_with_a_key_become_usage_of_its_workspace_alone(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "otlp") as ada, person(served.url, "otlp-other") as eve:
            headers = {"Authorization": f"Bearer {await api_key(ada, WRITE)}"}
            async with httpx.AsyncClient(base_url=served.url, headers=headers) as collector:
                first = await collector.post("/v1/traces", json=export(span(1), span(2)))
                again = await collector.post("/v1/traces", json=export(span(1), span(2)))
                foreign = await collector.get("/api/threads")
            mine = (await ada.http.get("/api/usage/summary")).json()
            theirs = (await eve.http.get("/api/usage/summary")).json()
        assert (first.status_code, first.json()) == (200, {})
        assert again.status_code == 200
        assert foreign.status_code == 403
        assert (mine["requests"], mine["input_tokens"], mine["output_tokens"]) == (2, 2000, 200)
        assert theirs["requests"] == 0

    async def test_gzipped_protobuf_is_answered_in_protobuf_with_what_was_rejected(
        self, served: ServerThread
    ) -> None:
        from google.protobuf.json_format import ParseDict

        body = export(span(7), span(8, **{"gen_ai.usage.input_tokens": -5}))
        for item in body["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            item["traceId"] = "AAAAAAAAAAAAAAAAAAAAAQ=="
            item["spanId"] = "AAAAAAAAAAE=" if item["attributes"][4] else ""
        message = ParseDict(body, ExportTraceServiceRequest())
        async with person(served.url, "otlp-pb") as ada:
            answer = await ada.http.post(
                "/v1/traces",
                content=gzip.compress(message.SerializeToString()),
                headers={
                    "Content-Type": "application/x-protobuf",
                    "Content-Encoding": "gzip",
                },
            )
            summary = (await ada.http.get("/api/usage/summary")).json()
        result = ExportTraceServiceResponse.FromString(answer.content)
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert result.partial_success.rejected_spans == 1
        assert summary["requests"] == 1

    async def test_a_key_without_the_scope_and_a_body_that_is_no_otlp_are_refused(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "otlp-bad") as ada:
            key = await api_key(ada, ["usage:read"])
            headers = {"Authorization": f"Bearer {key}"}
            forbidden = await ada.http.post("/v1/traces", json=export(), headers=headers)
            broken = await ada.http.post(
                "/v1/traces", content=b"{", headers={"Content-Type": "application/json"}
            )
        assert (forbidden.status_code, forbidden.json()["code"]) == (403, "API-403")
        assert broken.status_code in (400, 422)
        assert broken.headers["content-type"] == "application/problem+json"

    async def test_a_revoked_key_is_refused_at_once(self, served: ServerThread) -> None:
        async with person(served.url, "key-gone") as ada:
            key = await api_key(ada, WRITE)
            headers = {"Authorization": f"Bearer {key}"}
            before = await ada.http.post("/v1/traces", json=export(), headers=headers)
            (listed,) = (await ada.http.get("/auth/api-keys")).json()["items"]
            await ada.http.delete(f"/auth/api-keys/{listed['id']}")
            while (await ada.http.post("/v1/traces", json=export(), headers=headers)).is_success:
                pass  # the change travels by the feed
            after = await ada.http.post("/v1/traces", json=export(), headers=headers)
        assert (before.status_code, after.status_code) == (200, 401)

    async def test_no_cache_keeps_what_anybody_was_answered(self, served: ServerThread) -> None:
        async with person(served.url, "caches") as ada:
            answers = [await ada.http.get(path) for path in ("/api/usage/summary", "/api/runs/no")]
        assert [answer.status_code for answer in answers] == [200, 404]
        assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}

    async def test_a_body_that_does_not_come_lets_go_of_the_memory_it_keeps_from_others(
        self, served: ServerThread
    ) -> None:
        await served.call(lambda made: _patience(made, 0.2))
        try:
            async with person(served.url, "otlp-slow") as ada:
                token = ada.http.headers["Authorization"]
                answer = await begun_and_left(served.url, token, declared=1000, sent=b"{" * 10)
                held = await served.call(lambda made: _held(made))
        finally:
            await served.call(lambda made: _patience(made, BODY_WITHIN_S))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"API-408" in answer
        assert held == 0

    async def test_a_key_uploads_a_file_and_the_workspace_sees_it(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "key-file") as ada:
            headers = {"Authorization": f"Bearer {await api_key(ada, WRITE)}"}
            answer = await ada.http.post(
                "/api/usage/import",
                files={"file": ("calls.csv", CALLS)},
                headers=headers,
            )
            path = f"/api/usage/imports/{answer.json()['import_id']}"
            while (await ada.http.get(path, headers=headers)).json()["status"] != "completed":
                pass  # it is read in the background
            again = await ada.upload(usage_file)
            by_feature = (await ada.http.get("/api/usage/breakdown?by=feature")).json()["items"]
            by_day = (await ada.http.get("/api/usage/breakdown?by=day")).json()["items"]
            one_day = (
                await ada.http.get("/api/usage/summary?from=2026-11-17&to=2026-11-18")
            ).json()
        assert answer.status_code == 202
        assert again["status"] == "completed"
        assert sorted((row["key"], row["requests"]) for row in by_feature) == [
            ("(none)", 1),
            ("support_chat", 240),
            ("tagging", 240),
        ]
        assert [row["key"] for row in by_day] == ["2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z"]
        assert one_day["requests"] == 240

    async def test_usage_is_split_and_narrowed_by_every_name_it_has(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "splitting") as ada:
            await ada.upload(usage_file)
            whole = (await ada.http.get("/api/usage/summary")).json()
            one = (await ada.http.get("/api/usage/summary?feature=tagging")).json()
            rows = (await ada.http.get("/api/usage/breakdown?by=model&feature=tagging")).json()
            untagged = (await ada.http.get("/api/usage/summary?tag=&team=")).json()
            refused = [
                await ada.http.get(f"/api/usage/breakdown?{query}")
                for query in ("by=shoe_size", "feture=tagging", "limit=0", "from=yesterday")
            ]
        assert (whole["requests"], one["requests"], untagged["requests"]) == (480, 240, 480)
        assert sum(row["requests"] for row in rows["items"]) == 240
        assert sum(row["cost_usd"] for row in rows["items"]) == pytest.approx(one["cost_usd"])
        assert 0 < one["cost_usd"] < whole["cost_usd"]
        assert [answer.status_code for answer in refused] == [422] * 4

    async def test_calls_without_a_price_are_counted_beside_the_sum(
        self, served: ServerThread, half_priced: Path
    ) -> None:
        async with person(served.url, "unpriced") as ada:
            await ada.upload(half_priced)
            summary = (await ada.http.get("/api/usage/summary")).json()
            rows = (await ada.http.get("/api/usage/breakdown?by=model")).json()["items"]
        assert (summary["requests"], summary["unpriced"]) == (2, {"house-model-9": 1})
        assert {row["key"]: row["unpriced_requests"] for row in rows} == {
            "gpt-4o": 0,
            "house-model-9": 1,
        }

    async def test_usage_is_downloaded_in_each_form_and_leaves_no_file_behind(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        path = "/api/usage/export?feature=tagging&format="
        async with person(served.url, "downloading") as ada, person(served.url, "other") as eve:
            await ada.upload(usage_file)
            cost = (await ada.http.get("/api/usage/summary?feature=tagging")).json()["cost_usd"]
            text, parquet, focus = [
                await ada.http.get(path + form) for form in ("csv", "parquet", "focus")
            ]
            nothing = await eve.http.get("/api/usage/export?format=csv")
            refused = await ada.http.get(path + "xlsx")
            ranges = [
                await ada.http.get(path + "csv", headers={"Range": asked})
                for asked in ("bytes=0-9", "bytes=99999999-", "bytes=a-b")
            ]
            kept = await served.call(lambda made: _uploads(made))
        lines = list(csv.DictReader(io.StringIO(text.text)))
        table = pq.read_table(io.BytesIO(parquet.content))
        charges = list(csv.DictReader(io.StringIO(focus.text)))
        assert text.headers["content-disposition"] == 'attachment; filename="usage.csv"'
        assert (len(lines), {line["feature"] for line in lines}) == (240, {"tagging"})
        assert table["id"].to_pylist() == [line["id"] for line in lines]
        for costs in (
            [float(line["cost_usd"]) for line in lines],
            table["cost_usd"].to_pylist(),
            [float(charge["BilledCost"]) for charge in charges],
        ):
            assert sum(costs) == pytest.approx(cost)
        assert (len(nothing.text.splitlines()), refused.status_code) == (1, 422)
        assert [answer.status_code for answer in ranges] == [206, 416, 400]
        assert not [name for name in kept if name.endswith(".export")]

    async def test_a_name_longer_than_any_is_refused_with_its_code(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "long-name") as ada:
            answers = [
                await ada.http.get(f"/api/usage/{of}", params={name: "x" * 50_000})
                for of in ("summary", "breakdown", "export")
                for name in ("user", "tag")
            ]
        assert {(a.status_code, a.json()["code"]) for a in answers} == {(422, "API-422")}

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "x"])
    async def test_a_time_that_is_none_is_refused_and_not_an_error_of_the_server(
        self, served: ServerThread, moment: str
    ) -> None:
        async with person(served.url, f"at-{moment[:4]}") as ada:
            answers = [
                await ada.http.get(f"/api/usage/{of}", params={"from": moment})
                for of in ("summary", "breakdown", "export")
            ]
        assert [answer.status_code for answer in answers] == [422] * 3

    async def test_a_file_that_cannot_be_read_fails_with_its_reason(
        self, served: ServerThread, unreadable_files: tuple[Path, Path]
    ) -> None:
        empty, binary = unreadable_files
        async with person(served.url, "bad-file") as ada:
            imports = [await ada.upload(empty), await ada.upload(binary)]
            summary = (await ada.http.get("/api/usage/summary")).json()
            listed = (await ada.http.get("/api/usage/imports?limit=1")).json()
        assert [found["status"] for found in imports] == ["failed", "failed"]
        assert all(found["error"]["code"].startswith("OPT-1") for found in imports)
        said = [found["error"]["message"] for found in imports]
        assert (said[0].split()[0], said[1].split()[0]) == ("empty.jsonl", "photo.png")
        assert summary["requests"] == 0
        assert [found["import_id"] for found in listed["items"]] == [imports[1]["import_id"]]
        assert listed["next"]

    async def test_uploads_are_bounded_and_checked_before_they_are_kept(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "too-big") as ada:
            big = await ada.http.post(
                "/api/usage/import", files={"file": ("big.csv", b"x" * 3 * 1024 * 1024)}
            )
            none = await ada.http.post("/api/usage/import", data={"format": "csv"})
            text = await ada.http.post("/api/usage/import", content="a,b")
            fields = {"map": ["start=when" + "x" * 5000] * 100}
            long = await ada.http.post(
                "/api/usage/import", data=fields, files={"file": ("a.csv", CALLS)}
            )
            kept = await served.call(lambda made: _uploads(made))
        assert long.status_code == 422
        assert "exceeded maximum size" in long.json()["detail"], "before it is held"
        assert (big.status_code, big.json()["code"]) == (413, "API-413")
        assert [none.status_code, text.status_code] == [422, 422]
        assert not [path for path in kept if path.endswith("big.csv")]

    async def test_a_file_whose_sender_lost_the_right_while_it_came_is_not_kept(
        self, served: ServerThread
    ) -> None:
        """Else a deleted workspace would have usage again, for good."""
        async with person(served.url, "too-late") as ada:
            await served.call(lambda made: _shut_out_as_a_file_comes(made, ada.user_id))
            before = await served.call(_uploads)
            answer = await ada.http.post("/api/usage/import", files={"file": ("a.csv", CALLS)})
            after = await served.call(_uploads)
        assert (answer.status_code, answer.json()["code"]) == (401, "AUTH-401")
        assert set(after) <= set(before)

    async def test_a_file_s_name_loses_what_no_name_can_hold(self, served: ServerThread) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="ca\x00lls.c\x00sv"'
            b"\r\n\r\n" + CALLS + b"\r\n--b--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with person(served.url, "odd-name") as ada:
            taken = await ada.http.post("/api/usage/import", content=body, headers=headers)
        assert (taken.status_code, taken.json()["file_name"]) == (202, "calls.csv")

    async def test_a_table_is_read_with_the_columns_and_the_zone_that_are_named(
        self, served: ServerThread, tmp_path: Path
    ) -> None:
        path = tmp_path / "house.csv"
        path.write_text("when,engine,fed,said\n2026-11-16 00:30:00,gpt-4o,10,1\n")
        names = ["start=when", "model=engine", "input=fed", "output=said"]
        async with person(served.url, "own-columns") as ada:
            found = await ada.upload(path, map=names, timezone="Asia/Tokyo", format="generic")
            first = (await ada.http.get("/api/usage/summary")).json()["first"]
        assert (found["status"], found["audit"]["rows_kept"]) == ("completed", 1)
        assert first == "2026-11-15T15:30:00.000000Z"

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"timezone": "Mars/Olympus"}, "OPT-109"),
            ({"format": "xlsx"}, "OPT-109"),
            ({"start": "yesterday"}, "OPT-109"),
            ({"map": ["shoe=size"]}, "OPT-109"),
            ({"map": ["start"]}, "API-422"),
            ({"timezone": "x" * 65}, "API-422"),
            ({"timzone": "UTC"}, "API-422"),
            ({"model": ["a", "b"]}, "API-422"),
        ],
    )
    async def test_how_a_file_cannot_be_read_is_said_before_it_is_kept(
        self, served: ServerThread, fields: dict[str, Any], code: str
    ) -> None:
        before = await served.call(lambda made: _uploads(made))
        async with person(served.url, f"bad-{code}-{min(fields)}-{len(str(fields))}") as ada:
            refused = await ada.http.post(
                "/api/usage/import", files={"file": ("calls.csv", CALLS)}, data=fields
            )
            listed = (await ada.http.get("/api/usage/imports")).json()["items"]
        assert (refused.status_code, refused.json()["code"], listed) == (422, code, [])
        assert {*await served.call(lambda made: _uploads(made))} <= {*before}

    async def test_imports_of_others_do_not_exist(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "mine") as ada, person(served.url, "prying") as eve:
            found = await ada.upload(usage_file)
            path = f"/api/usage/imports/{found['import_id']}"
            answers = [await eve.http.get(path), await eve.http.post(f"{path}/cancel")]
            listed = (await eve.http.get("/api/usage/imports")).json()
        assert [answer.status_code for answer in answers] == [404, 404]
        assert listed == {"items": [], "next": None}

    async def test_the_document_of_the_api_declares_problems_as_they_come(
        self, served: ServerThread
    ) -> None:
        async with httpx.AsyncClient(base_url=served.url) as http:
            document = (await http.get("/openapi.json")).json()
            missing = await http.get("/api/no-such-thing")
        refused = document["paths"]["/api/runs/{run_id}"]["get"]["responses"]["404"]
        assert list(refused["content"]) == ["application/problem+json"]
        assert missing.headers["content-type"] == "application/problem+json"
        assert missing.json()["code"] == "API-404"
        report = document["components"]["schemas"]["Report"]
        assert {"headline", "figures", "opportunities", "sufficiency"} <= set(report["properties"])
        assert json.dumps(document).count("HTTPValidationError") == 0


async def _uploads(made: Any) -> list[str]:
    return [path.name for path in made.platform.deps.options.uploads.iterdir()]


async def _shut_out_as_a_file_comes(made: Any, user_id: str) -> None:
    usage = made.platform.usage
    check = usage.check_reading

    async def shut_out(options: Any) -> None:
        usage.check_reading = check
        change = Change(id=1, kind="user_disabled", user_id=user_id, at=time.time())
        made.platform.revocations.apply(change)
        await check(options)

    usage.check_reading = shut_out


async def _patience(made: Any, seconds: float) -> None:
    made.platform.ingest.body_within_s = seconds


async def _held(made: Any) -> int:
    return made.platform.ingest.bodies.held


pytestmark = pytest.mark.integration


async def test_an_export_that_nobody_waits_for_any_more_leaves_no_file(tmp_path: Path) -> None:
    began = Event()

    def open_store() -> UsageStore:
        began.set()
        return UsageStore.open(tmp_path / "usage")

    service, path = UsageService(open_store), tmp_path / "left.export"
    export_of = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="r")
    task = asyncio.create_task(service.export(export_of, path, "csv", UsageChoice()))
    await asyncio.to_thread(began.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await service.close()
    assert not path.exists()
