"""What unpacks without end or never ends a line: refused in bounded memory, nothing left."""

import asyncio
import gzip
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netra_client import ApexClient
from netra_core.environment import get_env

pytestmark = [
    pytest.mark.process,
    pytest.mark.proof,
    pytest.mark.xdist_group("hostile-sizes"),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]
MEGABYTES, FULL_MEGABYTES = 72, 2048
"""Unpacked: above what any packed file may have at such a ratio, and any line at all."""
ANALYZE_MB, SERVER_MB = 350, 600
ROW = (
    '{"timestamp": "2026-11-20T10:00:00Z", "model": "gpt-4o", "input_tokens": 5, '
    '"output_tokens": 2}\n'
)
PASSWORD = "correct horse bounded staple 9"
ROOM = {"APEX_USAGE_MAX_UPLOAD_BYTES": str(1 << 33)}
"""No file here is refused for its own size."""
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command; the last word of standard error is its peak, in KiB."""


def bomb(path: Path, megabytes: int) -> Path:
    """Good rows, packed a hundredfold and more, of which the first blocks get stored."""
    path = path / "bomb.jsonl.gz"
    row = ROW.replace("{", f'{{"note": "{" " * 600}", ').encode()
    packed = gzip.compress(row * (1_000_000 // len(row)), 9)
    with path.open("wb") as file:  # members one after the other are one file as well
        for _ in range(megabytes):
            file.write(packed)
    return path


def one_line(path: Path, megabytes: int, head: str, tail: str, name: str) -> Path:
    """One value that does not end."""
    path = path / name
    with path.open("w") as file:
        file.write(head)
        for _ in range(megabytes):
            file.write("alpha " * 174_763)
        file.write(tail)
    return path


def json_line(path: Path, megabytes: int) -> Path:
    head = ROW.strip()[:-1] + ', "text": "'
    return one_line(path, megabytes, head, '"}\n', "line.jsonl")


def json_document(path: Path, megabytes: int) -> Path:
    return one_line(path, megabytes, '{\n"model": "gpt-4o",\n"text": "', '"\n}', "document.json")


def json_array(path: Path, megabytes: int) -> Path:
    head = f'[{ROW.strip()[:-1]}, "text": "'
    return one_line(path, megabytes, head, '"}]', "array.json")


def csv_line(path: Path, megabytes: int) -> Path:
    head = "timestamp,model,input_tokens,output_tokens\n2026-11-20T10:00:00Z,"
    return one_line(path, megabytes, head, ",5,2\n", "line.csv")


Make = Callable[[Path, int], Path]
LINES: tuple[Make, ...] = (json_line, json_document, json_array, csv_line)


@pytest.fixture
def megabytes(full_counts: bool) -> int:
    return FULL_MEGABYTES if full_counts else MEGABYTES


def measured(*arguments: str | Path, **env: str) -> tuple[int, str, str, float]:
    """Exit code, output, error and peak in MB of the command in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "netra_apex", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "COLUMNS": "200", **env},
    )
    *said, peak = found.stderr.splitlines()
    return found.returncode, found.stdout, "\n".join(said), int(peak) / 1024


def test_analyze_refuses_a_bomb_in_bounded_memory(tmp_path: Path, megabytes: int) -> None:
    code, out, err, peak = measured("analyze", bomb(tmp_path, megabytes))
    assert (code, out) == (1, "")
    assert "unpacks to more than 200 times its size" in err and "OPT-108" in err
    assert peak < ANALYZE_MB


@pytest.mark.parametrize("make", LINES)
def test_analyze_refuses_a_value_without_end_in_bounded_memory(
    make: Make, tmp_path: Path, megabytes: int
) -> None:
    code, out, err, peak = measured("analyze", make(tmp_path, megabytes))
    assert (code, out) == (1, "")
    assert re.search("OPT-10[2-6]", err), err
    assert peak < ANALYZE_MB


def test_an_import_alone_refuses_both_and_keeps_nothing_of_them(
    tmp_path: Path, megabytes: int
) -> None:
    env = {"APEX_HOME": str(tmp_path / "home"), **ROOM}
    good = tmp_path / "good.jsonl"
    good.write_text(ROW)
    for path in (bomb(tmp_path, megabytes), json_line(tmp_path, megabytes)):
        code, _, err, peak = measured("import", path, "--alone", **env)
        assert (code, peak < SERVER_MB) == (1, True), (err, peak)
        assert err.startswith("apex: ") and re.search(r"\[OPT-10[48]\]$", err), err
    code, out, err, _ = measured("import", good, "--alone", **env)
    assert (code, err) == (0, "")
    assert "In the workspace: 1 calls" in out
    assert list((tmp_path / "home" / "uploads").glob("*")) == []


class Serving(NamedTuple):
    """A server in a process of its own."""

    home: Path
    url: str
    pid: int


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0", "--home", str(home)]
    env = {**get_env().get_all(), **ROOM}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        try:
            ready = (re.search(r"on (\S+)", line) for line in process.stdout)
            yield Serving(home, next(found[1] for found in ready if found), process.pid)
        finally:
            process.terminate()


def highest_mb(pid: int) -> float:
    """The most memory that was resident at any time so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1000


def test_a_server_refuses_both_keeps_nothing_of_them_and_goes_on(
    server: Serving, tmp_path: Path, megabytes: int
) -> None:
    good = tmp_path / "g"
    good.write_text(ROW)
    hostile = (bomb(tmp_path, megabytes), json_line(tmp_path, megabytes))

    async def use() -> tuple[list[str], dict[str, int], int]:
        async with ApexClient(server.url) as client:
            await client.register("bounded@example.com", PASSWORD)
            codes: list[str] = []
            for path in hostile:
                started = await client.import_file(path)
                ended = await client.wait_for_import(started["import_id"])
                codes.append(ended["error"]["code"])
            before = await client.get("/api/usage/summary")
            kept = await client.wait_for_import((await client.import_file(good))["import_id"])
            return codes, before, kept["rows_kept"]

    codes, before, kept = asyncio.run(use())
    assert (codes, before["requests"], kept) == (["OPT-108", "OPT-104"], 0, 1)
    assert list((server.home / "uploads").glob("*")) == []
    assert highest_mb(server.pid) < SERVER_MB


def test_the_command_says_what_a_running_server_refuses(
    server: Serving, tmp_path: Path, megabytes: int
) -> None:
    named = {"APEX_EMAIL": "told@example.com", "APEX_PASSWORD": PASSWORD}

    async def register() -> None:
        async with ApexClient(server.url) as client:
            await client.register(named["APEX_EMAIL"], PASSWORD)

    asyncio.run(register())
    code, out, err, own = measured(
        "import", bomb(tmp_path, megabytes), "--url", server.url,
        **named, APEX_HOME=str(tmp_path / "cli"),
    )  # fmt: skip
    assert code == 1
    assert (out, err.count("\n")) == ("", 0) and err.endswith("[OPT-108]")
    peak = highest_mb(server.pid)
    assert (own < ANALYZE_MB, peak < SERVER_MB) == (True, True), (own, peak)
