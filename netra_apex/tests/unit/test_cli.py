"""The command line ends in one clear line and the right exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from netra_apex.errors import describe
from netra_core.errors import ConfigurationError
from netra_optimizer.errors import InputError


def apex(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "netra_apex", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_every_command() -> None:
    done = apex("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("analyze", "serve", "demo", "config", "doctor"))


def test_help_names_no_type_where_an_option_takes_no_value() -> None:
    of_a_command, of_a_group = apex("analyze", "--help").stdout, apex("usage", "--help").stdout
    (flag,) = (line for line in of_a_command.splitlines() if "│ --json" in line)
    (valued,) = (line for line in of_a_command.splitlines() if "│ --start " in line)
    assert "<str>" in valued
    assert "<" not in flag and "Print one JSON object" in flag
    assert "bool" not in of_a_command + of_a_group + apex("usage", "erase", "--help").stdout


def test_the_version_is_printed() -> None:
    assert apex("--version").stdout.startswith("apex 0.")


def test_wrong_use_is_exit_code_2() -> None:
    assert apex("analyze", "--no-such-option").returncode == 2
    assert apex("no-such-command").returncode == 2


def test_a_file_that_does_not_exist_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = apex("analyze", str(tmp_path / "absent.jsonl"))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "absent.jsonl" in done.stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("No row.", hint="Check it."), "No row. Check it. [OPT-100]"),
        (InputError("no row", hint="Check it."), "no row. Check it. [OPT-100]"),
        (ConfigurationError("Bad\nvalue."), "Bad value. [CFG-000]"),
        (FileNotFoundError(2, "No such file", "x.csv"), "No such file: x.csv"),
        (
            ModuleNotFoundError("No module named 'fastapi'", name="fastapi"),
            "the module 'fastapi' is not installed. Install the server part: "
            'pip install "netra-apex[server]"',
        ),
        (KeyError("x"), "unexpected KeyError: 'x'"),
    ],
)
def test_an_error_is_described_in_one_line(error: Exception, line: str) -> None:
    assert describe(error) == line
