"""The web app's sources: their own unit tests, their types, and the build."""

import subprocess
from pathlib import Path

import pytest

from netra_apex.build_web import WebBuildError, build, digest, frontend_folder, node_command
from netra_apex.build_web import install_packages as install
from netra_apex.web_types import generate

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
def frontend() -> Path:
    """The sources with their packages installed."""
    folder = frontend_folder()
    install(folder)
    return folder


def run_node(frontend: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(node_command()), *command], cwd=frontend, capture_output=True, text=True, check=False
    )


def test_the_unit_tests_of_the_web_app_pass(frontend: Path) -> None:
    done = run_node(frontend, "node_modules/vitest/vitest.mjs", "run", "--no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_the_types_of_the_web_app_hold(frontend: Path) -> None:
    done = run_node(frontend, "node_modules/typescript/bin/tsc", "--noEmit")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_build_is_whole_and_is_not_made_again_until_a_source_changes(
    frontend: Path, tmp_path: Path
) -> None:
    target = tmp_path / "web"
    assert build(frontend, target) is True
    page = (target / "index.html").read_text()
    assert '<script type="module"' in page
    assert "style=" not in page and "<script>" not in page
    assert build(frontend, target) is False
    (target / ".build").write_text("of other sources")
    assert build(frontend, target) is True


def test_the_digest_sees_a_changed_letter_and_a_changed_name(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "a.ts").write_text("one")
    first = digest([source])
    assert digest([source]) == first
    (source / "a.ts").write_text("two")
    second = digest([source])
    (source / "a.ts").rename(source / "b.ts")
    assert len({first, second, digest([source])}) == 3


def test_a_missing_checkout_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(WebBuildError, match="No sources of the web app") as error:
        build(tmp_path, tmp_path / "web")
    assert "checkout" in error.value.hint


def test_the_lock_names_no_place_to_download_from(frontend: Path) -> None:
    lock = (frontend / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 50


def test_the_types_of_the_web_app_are_those_of_the_public_api(frontend: Path) -> None:
    for path, text in generate(frontend).items():
        assert path.read_text() == text, f"{path.name}: run python -m netra_apex.web_types"
