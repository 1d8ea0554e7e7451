"""`apex ask` against a running platform."""

import asyncio
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from netra_backend.tests.live_kit import live_stack

pytestmark = [pytest.mark.integration, pytest.mark.process]


@dataclass
class Outcome:
    """What a command left behind."""

    code: int | None
    out: str
    err: str


async def apex(home: Path, *arguments: str, **env: str) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "netra_apex", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "APEX_HOME": str(home), "COLUMNS": "120", **env},
    )
    out, err = await process.communicate()
    return Outcome(process.returncode, out.decode(), err.decode())


async def test_a_question_is_answered_step_by_step_and_the_sign_in_is_remembered(
    tmp_path: Path,
) -> None:
    home = tmp_path / "cli"
    async with live_stack(tmp_path / "server") as platform:
        await platform.register("asker")
        url = platform.server.url
        password = {"APEX_EMAIL": "asker@example.com", "APEX_PASSWORD": PASSWORD}
        first = await apex(home, "ask", "Where can we save?", "--follow", "--url", url, **password)
        again = await apex(home, "ask", "Where can we save?", "--url", url)
    assert (first.code, first.err) == (0, "")
    assert "supervisor" in first.out and "✓" in first.out and "Next" in first.out
    assert (again.code, again.err) == (0, "")
    assert "supervisor" not in again.out and "Next" in again.out
    assert stat.S_IMODE((home / "session.json").stat().st_mode) == 0o600


async def test_what_goes_wrong_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    async with live_stack(tmp_path / "server") as platform:
        await platform.register("asker")
        url = platform.server.url
        password = {"APEX_EMAIL": "asker@example.com", "APEX_PASSWORD": PASSWORD}
        wrong = await apex(
            tmp_path / "a",
            *("ask", "Hello?", "--url", url),
            APEX_EMAIL="asker@example.com",
            APEX_PASSWORD="not the password",
        )
        nobody = await apex(tmp_path / "b", "ask", "Hello?", "--url", url)
        blank = await apex(tmp_path / "b", "ask", " ", "--url", url)
        long = await apex(tmp_path / "a", *("ask", "x" * 32_001, "--url", url), **password)
    away = await apex(tmp_path / "c", "ask", "Hello?", "--url", url, APEX_TOKEN="x")
    assert (blank.code, long.code) == (2, 1)
    assert "there is no question in it" in blank.err and "[WS-001]" in long.err
    for outcome in (wrong, nobody, away):
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("apex: ") and outcome.err.count("\n") == 1
    assert "APEX_TOKEN" in nobody.err
    assert "cannot be reached" in away.err


PASSWORD = "correct horse asker staple 9"
