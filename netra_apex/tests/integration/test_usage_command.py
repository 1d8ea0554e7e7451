"""`apex usage` says the same of files alone as of the workspace of a running platform."""

import asyncio
import csv
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from netra_apex.cli import build_app
from netra_backend.tests.live_kit import live_stack

pytestmark = [pytest.mark.integration, pytest.mark.process]

HEAD = "id,timestamp,model,input_tokens,output_tokens,feature,team\n"
ROWS = [
    "a,2026-11-01T10:00:00Z,gpt-4o,1000000,0,chat,search\n",
    "b,2026-11-02T10:00:00Z,gpt-4o,2000000,0,chat,\n",
    "c,2026-11-02T11:00:00Z,gpt-4o-mini,1000000,0,tags,search\n",
    "d,2026-11-02T12:00:00Z,house-model-9,10,0,tags,search\n",
]


@dataclass
class Outcome:
    """What a command left behind."""

    code: int | None
    out: str
    err: str


async def apex(home: Path, *arguments: str, columns: int = 80, **env: str) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "netra_apex", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "APEX_HOME": str(home), "COLUMNS": str(columns), **env},
    )
    out, err = await process.communicate()
    return Outcome(process.returncode, out.decode(), err.decode())


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    path = tmp_path / "calls.csv"
    path.write_text(HEAD + "".join(ROWS))
    return path


async def test_files_alone_are_split_totalled_and_exported(tmp_path: Path, calls: Path) -> None:
    home, focus = tmp_path / "home", tmp_path / "focus.csv"
    split, narrowed, table, written = await asyncio.gather(
        apex(home, "usage", "breakdown", str(calls), "--by", "team", "--json"),
        apex(
            home,
            *("usage", "summary", str(calls), "--from", "2026-11-02"),
            *("--only", "feature=chat", "--only", "team=", "--json"),
        ),
        apex(home, "usage", "breakdown", str(calls), "--by", "model"),
        apex(home, "usage", "export", str(focus), str(calls), "--as", "focus"),
    )
    assert [found.code for found in (split, narrowed, table, written)] == [0, 0, 0, 0]
    found = json.loads(split.out)
    assert {row["key"]: row["requests"] for row in found["items"]} == {"search": 3, "(none)": 1}
    assert found["total"]["cost_usd"] == pytest.approx(2.5 + 5.0 + 0.15)
    assert json.loads(narrowed.out)["requests"] == 1
    lines = [line.split() for line in table.out.splitlines() if line.strip()]
    assert ["gpt-4o", "$7.50", "98.0", "%", "2"] == lines[2][:5]
    assert ["house-model-9", "no", "price", "1"] in [line[:4] for line in lines]
    assert "no price for model 'house-model-9' (1 call)" in table.out
    assert max(len(line) for line in table.out.splitlines()) <= 80
    costs = [
        float(row["BilledCost"] or 0) for row in csv.DictReader(focus.read_text().splitlines())
    ]
    assert sum(costs) == pytest.approx(7.65)


async def test_files_are_read_with_the_columns_and_the_zone_that_are_named_and_accounted_for(
    tmp_path: Path,
) -> None:
    table = tmp_path / "house.csv"
    rows = ("2026-11-16 00:30:00,gpt-4o,1000,10", "yesterday,gpt-4o,1000,10")
    table.write_text("when,engine,fed,said\n" + "".join(f"{row}\n" for row in rows))
    names = ["start=when", "model=engine", "input=fed", "output=said"]
    named = [part for name in names for part in ("--map", name)]
    how = (*named, "--timezone", "Asia/Tokyo", "--json")
    found = await apex(tmp_path / "home", "usage", "breakdown", str(table), "--by", "day", *how)
    assert [row["key"] for row in json.loads(found.out)["items"]] == ["2026-11-15"]
    assert found.err == "left out 1: bad_time\n"


async def test_a_running_platform_is_asked_where_no_file_is_given(
    tmp_path: Path, calls: Path
) -> None:
    home, out = tmp_path / "cli", tmp_path / "calls.parquet"
    async with live_stack(tmp_path / "server") as platform:
        await platform.register("spender")
        url = platform.server.url
        password = {"APEX_EMAIL": "spender@example.com", "APEX_PASSWORD": PASSWORD}
        brought = await apex(home, "import", str(calls), "--url", url, **password)
        here = await apex(home, "usage", "breakdown", str(calls), "--by", "day", "--json")
        there = await apex(home, "usage", "breakdown", "--by", "day", "--json", "--url", url)
        saved = await apex(home, "usage", "export", str(out), "--only", "team=", "--url", url)
        refused = await apex(home, "usage", "breakdown", "--by", "shoe_size", "--url", url)
    assert (brought.code, here.code, there.code, saved.code) == (0, 0, 0, 0)
    days = [{row["key"]: row["requests"]} for row in json.loads(there.out)["items"]]
    assert days == [{"2026-11-01": 1}, {"2026-11-02": 3}]
    assert days == [{row["key"]: row["requests"]} for row in json.loads(here.out)["items"]]
    assert json.loads(there.out)["total"]["cost_usd"] == pytest.approx(7.65)
    assert pq.read_table(out)["id"].to_pylist() == ["b"]
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("apex: ") and refused.err.count("\n") == 1


async def test_calls_are_erased_for_good_and_what_went_is_listed(
    tmp_path: Path, calls: Path
) -> None:
    home = tmp_path / "cli"
    async with live_stack(tmp_path / "server") as platform:
        await platform.register("spender")
        at = ("--url", platform.server.url)
        password = {"APEX_EMAIL": "spender@example.com", "APEX_PASSWORD": PASSWORD}
        await apex(home, "import", str(calls), *at, **password)
        before = await apex(home, "usage", "removals", *at)
        unsure = await apex(home, "usage", "erase", "--only", "team=search", *at)
        vague = await apex(home, "usage", "erase", "--yes", *at)
        gone = await apex(home, "usage", "erase", "--only", "team=search", "--yes", *at)
        left = await apex(home, "usage", "summary", "--json", *at)
        listed = await apex(home, "usage", "removals", *at)
        raw = await apex(home, "usage", "removals", "--json", *at)
    assert (before.code, before.out) == (0, "Calls are kept for ever.\n")
    assert [unsure.code, vague.code] == [2, 2]
    said = "3 of 4 calls removed, 2026-11-01 to 2026-11-02; 1 are left"
    assert (gone.code, gone.out.strip(), gone.err) == (0, said, "")
    assert json.loads(left.out)["requests"] == 1
    ended = f"  team search: {said}"
    assert [line.endswith(ended) for line in listed.out.splitlines()] == [False, True]
    (item,) = json.loads(raw.out)["items"]
    assert (item["chosen"], item["calls_removed"]) == ({"team": "search"}, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "shoe=42"], "NAME=VALUE"),
        (["--from", "yesterday"], "no time like"),
        (["--from", "2026-11-20", "--to", "2026-11-19"], "is before --from"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(build_app("usage"), ["usage", "breakdown", "calls.csv", *arguments])
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr


def test_an_export_needs_a_folder_that_is_there(tmp_path: Path) -> None:
    out = tmp_path / "none" / "calls.csv"
    found = CliRunner().invoke(build_app("usage"), ["usage", "export", str(out), "calls.csv"])
    assert (found.exit_code, found.stdout) == (2, "")
    assert "there is no folder" in found.stderr


PASSWORD = "correct horse spender staple 9"
