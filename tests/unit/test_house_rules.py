"""Style, types, import contracts, sizes and the contents of what is committed."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80


def tracked(*suffixes: str) -> list[Path]:
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / line for line in out.stdout.splitlines()]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["pyright"]],
    ids=" ".join,
)
def test_the_tools_find_nothing(command: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', '')}"}  # noqa: TID251
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_is_one_noun() -> None:
    sizes = {path: path.read_text().count("\n") for path in tracked(".py", ".ts", ".tsx")}
    generated = re.compile(r"generated")
    too_long = {
        path.relative_to(ROOT).as_posix(): lines
        for path, lines in sizes.items()
        if lines > MAX_FILE_LINES and not generated.search(path.as_posix())
    }
    assert too_long == {}


def test_a_function_does_one_thing() -> None:
    too_long = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"
        for path in tracked(".py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno > MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_locks_pin_with_hashes_and_without_addresses() -> None:
    for path in sorted(ROOT.glob("requirements/*.lock")):
        text = path.read_text()
        pins = re.findall(r"^[A-Za-z0-9_.\-\[\]]+==", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
    assert '"resolved"' not in (ROOT / "frontend/package-lock.json").read_text()


def test_nothing_committed_names_this_machine() -> None:
    home = f"{ROOT.as_posix()}/"
    named = [
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if home in path.read_bytes().decode("utf-8", "ignore")
    ]
    assert named == []


def test_nothing_large_is_committed() -> None:
    large = {
        path.name: path.stat().st_size for path in tracked() if path.stat().st_size > 1_000_000
    }
    assert large == {}
