"""`apex import`, through a running platform and alone."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from netra_backend.tests.live_kit import live_stack
from netra_core.testing import BaseIntegrationTest

pytestmark = [pytest.mark.integration, pytest.mark.process]
PASSWORD = "correct horse importer staple 9"


@dataclass
class Outcome:
    """What a command left behind."""

    code: int | None
    out: str
    err: str


async def start(home: Path, *arguments: str | Path, **env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "netra_apex", "import", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "APEX_HOME": str(home), "COLUMNS": "200", **env},
    )


async def apex_import(home: Path, *arguments: str | Path, **env: str) -> Outcome:
    process = await start(home, *arguments, **env)
    out, err = await process.communicate()
    return Outcome(process.returncode, out.decode(), err.decode())


def log(path: Path, calls: int) -> Path:
    """A log of requests, 1,000 tokens in and 10 out a call."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for number in range(calls):
            usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
            row = {
                "timestamp": 1795168800 + number, "request": {"model": "gpt-4o", "messages": []},
                "response": {"id": f"chatcmpl-x{number}", "model": "gpt-4o", "usage": usage},
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path


def gateway_log(path: Path, calls: int) -> Path:
    """The same calls as LiteLLM's SpendLogs."""
    with path.open("w") as file:
        for number in range(calls):
            row = {
                "request_id": f"chatcmpl-x{number}", "call_type": "acompletion", "spend": 0.0026,
                "startTime": "2026-11-20T10:00:00Z", "endTime": "2026-11-20T10:00:01Z",
                "model": "gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 1000,
                "completion_tokens": 10, "total_tokens": 1010, "metadata": {},
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path


async def test_alone_files_and_folders_are_loaded_and_repeats_recognized(tmp_path: Path) -> None:
    home = tmp_path / "home"
    log(tmp_path / "logs" / "a.jsonl", 300)
    first = await apex_import(home, tmp_path / "logs", "--alone")
    assert (first.code, first.err) == (0, "")
    assert "a.jsonl: 300 of 300 rows" in first.out
    assert "In the workspace: 300 calls, $0.78" in first.out
    assert "local@example.com" in first.out
    named = {
        "APEX_EMAIL": "local@example.com",
        "APEX_PASSWORD": (home / "keys" / "local_password").read_text(),
    }
    other = gateway_log(tmp_path / "spend.jsonl", 310)
    again = await apex_import(home, tmp_path / "logs" / "a.jsonl", other, "--alone", **named)
    assert (again.code, again.err) == (0, "")
    assert "spend.jsonl: 310 of 310 rows" in again.out
    assert "In the workspace: 310 calls" in again.out


class TestAnImportIsKilled(BaseIntegrationTest):
    """What a killed import has begun, the next one ends.

    Segment: every team that loads its history
    Goal: trust
    Value: no call is lost or counted twice, whatever happens to the machine
    Impact: a bill that is off by one import is no bill
    """

    async def test_and_started_again_no_call_is_lost_or_twice(self, tmp_path: Path) -> None:
        file = log(tmp_path / "a.jsonl", 20_000)
        process = await start(self.home, file, "--alone")
        uploads = self.home / "uploads"

        def begun() -> bool:
            assert process.returncode is None
            return uploads.is_dir() and any(uploads.iterdir())

        await self.eventually(begun, what="the import to begin", within_s=60)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        again = await apex_import(self.home, file, "--alone")
        assert (again.code, again.err) == (0, "")
        assert "In the workspace: 20,000 calls" in again.out


async def test_columns_and_a_zone_are_named_as_for_an_analysis(tmp_path: Path) -> None:
    home, table = tmp_path / "home", tmp_path / "house.csv"
    table.write_text("when,engine,fed,said\n2026-11-16 00:30:00,gpt-4o,1000,10\n")
    names = ["start=when", "model=engine", "input=fed", "output=said"]
    named = [part for name in names for part in ("--map", name)]
    read = await apex_import(home, table, "--alone", *named, "--timezone", "Asia/Tokyo")
    assert (read.code, read.err) == (0, "")
    assert "In the workspace: 1 calls" in read.out
    wrong = await apex_import(home, table, "--alone", "--timezone", "Mars/Olympus")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "Mars/Olympus" in wrong.err and "OPT-109" in wrong.err


async def test_what_is_no_usage_in_a_folder_is_left_out_and_said(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "logs"
    folder.mkdir()
    (folder / "a_letter.txt").write_text("Dear all,\nthis is a letter.\n")
    (folder / "empty.csv").touch()
    log(folder / "z.jsonl", 3)
    read = await apex_import(home, folder, "--alone")
    assert (read.code, read.err) == (0, "")
    assert "a_letter.txt: left out" in read.out and "empty.csv: left out" in read.out
    assert "z.jsonl: 3 of 3 rows" in read.out
    (folder / "z.jsonl").unlink()
    none = await apex_import(home, folder, "--alone")
    assert (none.code, none.err.count("\n")) == (1, 1)
    named = await apex_import(home, folder / "empty.csv", "--alone")
    assert named.err == "apex: empty.csv is empty. Export the calls again. [OPT-102]\n"


async def test_what_cannot_be_imported_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "empty").mkdir()
    bad = await apex_import(home, tmp_path / "bad.jsonl", "--alone")
    missing = await apex_import(home, tmp_path / "none.jsonl", "--alone")
    nothing = await apex_import(home, tmp_path / "empty", "--alone")
    both = await apex_import(home, tmp_path / "bad.jsonl", "--alone", "--url", "http://x")
    assert (bad.code, bad.err.count("\n")) == (1, 1)
    assert bad.err.startswith("apex: ")
    assert "start" in bad.err
    assert [outcome.code for outcome in (missing, nothing, both)] == [2, 2, 2]
    assert "there is no file to read" in nothing.err
    nowhere = ("--url", "http://127.0.0.1:9")
    away = await apex_import(home, tmp_path / "bad.jsonl", *nowhere, APEX_TOKEN="x")
    assert (away.code, away.err.count("\n")) == (1, 1)
    assert "cannot be reached" in away.err


async def test_a_home_another_process_works_on_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    held = "import sys, pathlib\nfrom netra_optimizer import UsageStore\n" \
        "store = UsageStore.open(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\n" \
        "sys.stdin.read()"  # fmt: skip
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", held, str(home / "usage"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    try:
        refused = await apex_import(home, log(tmp_path / "a.jsonl", 2), "--alone")
    finally:
        await holder.communicate(b"")
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "OPT-301" in refused.err


async def test_through_a_running_server_repeats_are_recognized_too(tmp_path: Path) -> None:
    file, other = log(tmp_path / "a.jsonl", 40), gateway_log(tmp_path / "s.jsonl", 50)
    async with live_stack(tmp_path / "server") as platform:
        person = await platform.register("importer")
        named = {"APEX_EMAIL": "importer@example.com", "APEX_PASSWORD": PASSWORD}
        home, url = tmp_path / "cli", platform.server.url
        first = await apex_import(home, file, "--url", url, **named)
        second = await apex_import(home, file, other, "--url", url)
        summary = (await person.http.get("/api/usage/summary")).json()
    assert [(o.code, o.err) for o in (first, second)] == [(0, ""), (0, "")]
    assert "a.jsonl: 40 of 40 rows" in first.out
    assert "In the workspace: 50 calls" in second.out
    assert summary["requests"] == 50
