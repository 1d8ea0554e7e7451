"""TEST_CREATION_GUIDE.md is followed, and its checker sees what it should."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("guide_checker", ROOT / "tests/guide_checker.py")
assert SPEC is not None and SPEC.loader is not None
guide_checker = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = guide_checker
SPEC.loader.exec_module(guide_checker)

SUITE_FOLDER = ROOT / "netra_backend/tests/integration"
TEST_FILES = sorted(
    path
    for pattern in ("netra_*/tests/**/test_*.py", "tests/**/test_*.py")
    for path in ROOT.glob(pattern)
)


def is_suite(path: Path) -> bool:
    return path.parent == SUITE_FOLDER and path.name.endswith("_integration.py")


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_test_file_follows_the_guide(path: Path) -> None:
    findings = guide_checker.check_file(path, suite=is_suite(path))
    assert [str(finding) for finding in findings] == []


def test_test_folders_have_no_init_file() -> None:
    folders = [*ROOT.glob("netra_*/tests"), ROOT / "tests"]
    assert [str(path) for folder in folders for path in folder.rglob("__init__.py")] == []


BROKEN = {
    "import time\ndef test_a():\n    time.sleep(1)\n    assert 1 == 1\n": "no sleeping",
    "async def test_a():\n    await asyncio.sleep(0.1)\n    assert f()\n": "no sleeping",
    "from unittest.mock import patch\n": "no mocks",
    "from unittest import mock\n": "no mocks",
    "def test_a(monkeypatch):\n    monkeypatch.setattr('netra_core.x', 1)\n    assert f()\n": "patched",
    "def test_a():\n    try:\n        assert f()\n    except ValueError:\n        pass\n": "try/except",
    "def test_a():\n    assert len(x) >= 0\n": "always holds",
    "def test_a():\n    f()\n": "asserts nothing",
    "class TestA:\n    '''Nothing.'''\n": "does not inherit",
    "class TestA(BaseIntegrationTest):\n    '''Nothing.'''\n": "lacks @pytest.mark.integration",
    "@pytest.mark.integration\nclass TestA(BaseIntegrationTest):\n    '''No.'''\n": "justify its value",
    "def test_a():\n    assert f()\n": "outside a suite class",
}


@pytest.mark.parametrize(("source", "rule"), BROKEN.items(), ids=BROKEN.values())
def test_the_checker_finds_each_broken_rule(tmp_path: Path, source: str, rule: str) -> None:
    path = tmp_path / "test_x_integration.py"
    path.write_text(source)
    assert any(rule in str(finding) for finding in guide_checker.check_file(path, suite=True))


def test_the_checker_is_content_with_a_sound_suite(tmp_path: Path) -> None:
    path = tmp_path / "test_x_integration.py"
    path.write_text(
        "import asyncio, pytest\n"
        "@pytest.mark.integration\n"
        "class TestA(BaseIntegrationTest):\n"
        "    '''A.\n\n    Segment: s\n    Goal: g\n    Value: v\n    Impact: i\n    '''\n"
        "    async def test_a(self):\n"
        "        await asyncio.sleep(0)\n"
        "        assert f() == 1\n"
    )
    assert guide_checker.check_file(path, suite=True) == []
