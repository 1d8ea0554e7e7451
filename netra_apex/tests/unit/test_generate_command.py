"""`apex generate` writes files that `apex analyze` reads, and the truth beside them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netra_apex.cli import build_app
from netra_optimizer import UsageFrame, read_files


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build_app("generate"), ["generate", *arguments])
    return done.exit_code, done.output


def test_the_scenarios_are_listed_without_a_file_to_write() -> None:
    code, said = run("--list")
    assert code == 0 and "demo" in said.splitlines()


def test_a_file_is_needed_and_its_folder_too(tmp_path: Path) -> None:
    for arguments in ((), (str(tmp_path / "none" / "calls.parquet"),)):
        assert run(*arguments)[0] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "calls"), [("litellm", 981), ("requests", 199)])
def test_a_generated_file_is_read_back_call_by_call(kind: str, calls: int, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    scale = "0.04" if kind == "litellm" else "0.008"
    code, output = run(str(path), "--kind", kind, "--scale", scale)
    assert code == 0, output
    imported = read_files(path)
    batches = list(imported.batches())
    lines = len(path.read_bytes().splitlines())
    assert (imported.audit.rows_kept, imported.audit.dropped) == (lines, {})
    import pyarrow as pa

    frame = UsageFrame.from_arrow(pa.Table.from_batches(batches))
    assert len(frame) == lines > calls / 3
    assert "support_chat" in frame.feature.values


def test_the_truth_is_written_beside_the_calls(tmp_path: Path) -> None:
    calls, truth = tmp_path / "calls.parquet", tmp_path / "truth.json"
    code, output = run(str(calls), "--scale", "0.05", "--truth", str(truth))
    assert code == 0, output
    known = json.loads(truth.read_text())
    assert {planted["lever"] for planted in known["planted"]} == {
        "prompt_cache",
        "response_cache",
        "batch_tier",
    }
    alone = sum(planted["savings_usd"] for planted in known["planted"])
    assert known["combined_savings_usd"] == pytest.approx(alone)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, seed in zip(files, ("3", "3", "4"), strict=True):
        assert run(str(file), "--kind", "litellm", "--scale", "0.01", "--seed", seed)[0] == 0
    one, same, other = (file.read_bytes() for file in files)
    assert one == same != other


def test_an_unknown_scenario_is_wrong_use(tmp_path: Path) -> None:
    code, output = run(str(tmp_path / "x"), "--scenario", "nothing")
    assert code == 2
    assert "--list" in output


def test_the_scenarios_are_listed(tmp_path: Path) -> None:
    code, output = run(str(tmp_path / "x"), "--list")
    assert code == 0
    assert {"demo", "clean_assistant", "three_on_one"} <= set(output.split())
    assert not (tmp_path / "x").exists()
