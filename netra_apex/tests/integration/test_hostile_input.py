"""`apex analyze` on whatever it is given: one clear line and an exit code, or an honest report."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netra_optimizer.generate import generate_workload, write_workload

GOOD = "timestamp,model,input_tokens,output_tokens\n2026-11-01T10:00:00Z,gpt-4o,1000000,20\n"
HALF = GOOD + "2026-11-01T10:00:01Z,gpt-4o,-5,20\n2026-11-01T10:00:02Z,gp"
UNKNOWN = GOOD.replace("gpt-4o", "house-model-9")
TRACE = '{"timestamp": 0, "input_length": 100, "output_length": 5, "hash_ids": [1]}\n'
PAIRS = "item,model,score\n1,gpt-4o,{0}\n1,gpt-4o-mini,{0}\n"
COMMAND = (sys.executable, "-m", "netra_apex", "analyze")


def apex(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "COLUMNS": "80", **env},
    )


Written = Callable[[str, str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


def refused(found: subprocess.CompletedProcess[str], code: int, said: str) -> None:
    """One line on standard error, nothing on standard output."""
    assert (found.returncode, found.stdout) == (code, ""), found.stderr
    assert found.stderr.startswith("apex: ") and found.stderr.count("\n") == 1
    assert said in found.stderr


def test_what_is_no_file_of_calls_is_refused_in_a_line(tmp_path: Path, written: Written) -> None:
    pipe, broken = tmp_path / "pipe", tmp_path / "broken"
    os.mkfifo(pipe)
    broken.symlink_to(tmp_path / "nowhere")
    refused(apex(pipe), 1, "is a pipe, not a file")
    refused(apex(broken), 1, "No such file")
    refused(apex(written("good.csv", GOOD), written("empty.csv", "")), 1, "empty.csv is empty")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--start", "nonsense"], 2, "'nonsense' is no time"),
        (["--timezone", "Mars/Base"], 2, "'Mars/Base' is not known"),
        (["--format", "nonsense"], 2, "no format 'nonsense'"),
        (["--map", "nonsense=model"], 2, "no field 'nonsense'"),
        (["--prices", "absent.json"], 1, "absent.json"),
        (["--model", "house-model-9"], 1, "No price is known"),
    ],
)
def test_an_option_that_means_nothing_is_said(
    written: Written, options: list[str], code: int, said: str
) -> None:
    refused(apex(written("trace.jsonl", TRACE), *options), code, said)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ("", "cannot be read"),
        ("colour,shape\nred,round\n", "no two columns of scores"),
        ("width,height\n1,2\n", "'width', 'height', which are no models"),
        (PAIRS.format("good"), "Not one score"),
    ],
)
def test_outcomes_that_prove_nothing_are_refused(
    written: Written, outcomes: str, said: str
) -> None:
    path = written("outcomes.csv", outcomes)
    refused(apex(written("good.csv", GOOD), "--outcomes", path), 1, said)


def test_outcomes_of_other_models_are_named_in_the_report(written: Written) -> None:
    path = written("outcomes.csv", PAIRS.format(1).replace("gpt-4o", "gpt-5"))
    found = apex(written("good.csv", GOOD), "--outcomes", path, "--json")
    notes = json.loads(found.stdout)["notes"]
    assert any("'gpt-5'" in note and "prove nothing here" in note for note in notes)


def test_a_half_bad_file_is_analysed_and_audited_once_however_often_it_is_given(
    written: Written,
) -> None:
    half, unknown = written("half.csv", HALF), written("unknown.csv", UNKNOWN)
    found = apex(half, half, unknown, "--json")
    assert (found.returncode, found.stderr.count("\n")) == (0, 1)
    assert f"{half} is given more than once" in found.stderr
    report = json.loads(found.stdout)
    audit = report["audit"]
    assert report["usage"]["requests"] == audit["rows_kept"] == 2
    assert audit["rows_read"] == audit["rows_kept"] + sum(audit["dropped"].values()) == 4
    assert report["usage"]["cost_usd"] == pytest.approx(2.5002)
    assert report["unpriced_models"] == {"house-model-9": 1}


def test_a_reader_that_leaves_a_full_disk_and_a_stop_end_it_without_a_traceback(
    tmp_path: Path, written: Written
) -> None:
    good, calls = written("good.csv", GOOD), tmp_path / "calls.parquet"
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*COMMAND, good], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"apex: No space left on device\n")
    refused_html = apex(good, "--html", tmp_path / "no" / "such" / "folder.html")
    assert (refused_html.returncode, refused_html.stdout) == (2, "")
    with subprocess.Popen([*COMMAND, good], stdout=-1, stderr=-1) as left:
        assert left.stdout is not None and left.stderr is not None
        left.stdout.close()
        assert (left.stderr.read(), left.wait() in (0, 1)) == (b"", True)
    write_workload(generate_workload(seed=7), calls, "parquet")
    with subprocess.Popen([*COMMAND, calls], stdout=-1, stderr=-1) as stopped:
        while Path(f"/proc/{stopped.pid}/comm").exists() and not started(stopped.pid):
            pass
        stopped.send_signal(signal.SIGINT)
        out, err = stopped.communicate()
    assert (stopped.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def started(pid: int) -> bool:
    """Whether the process has come as far as reading: Arrow is loaded."""
    return "libarrow" in Path(f"/proc/{pid}/maps").read_text()


def test_a_terminal_without_unicode_gets_plainer_letters_and_json_stays_whole(
    written: Written,
) -> None:
    good, named = written("good.csv", GOOD), written("named.csv", GOOD.replace("gpt-4o", "größe"))
    text = apex(good, PYTHONIOENCODING="ascii")
    data = apex(named, "--json", "--alias", "größe=gpt-4o", PYTHONIOENCODING="latin-1")
    assert (text.returncode, text.stderr, data.returncode, data.stderr) == (0, "", 0, "")
    assert text.stdout.startswith("Netra Apex  savings report") and "$2.50" in text.stdout
    assert text.stdout.isascii()
    assert "größe" in data.stdout and json.loads(data.stdout)["usage"]["requests"] == 1


@pytest.mark.parametrize("columns", ["40", "200"])
def test_no_line_is_wider_than_the_window(written: Written, columns: str) -> None:
    found = apex(written("half.csv", HALF), COLUMNS=columns, NO_COLOR="1", TERM="dumb")
    assert found.returncode == 0 and "\x1b" not in found.stdout
    assert max(len(line) for line in found.stdout.splitlines()) <= int(columns)
