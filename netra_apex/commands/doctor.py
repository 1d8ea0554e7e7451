"""`apex doctor`: is this machine, and this installation, fit to run Apex."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import typer
from rich.markup import escape

from netra_apex.terminal import Terminal
from netra_core.environment import get_env

MIN_FREE_BYTES = 2 * 1024**3
SERVER_MODULES = ("fastapi", "uvicorn", "sqlalchemy", "dbos", "joserfc", "argon2")
ANALYTICS_MODULES = ("chdb", "clickhouse_connect", "genai_prices", "numpy", "pyarrow", "scipy")


def doctor() -> None:
    """Check Python, modules, the data folder, disk space and the web app; exit 1 when one fails."""
    console = Terminal()
    failed = False
    for name, fine, said in _checks():
        failed |= not fine
        mark = "[green]ok  [/]" if fine else "[red]no  [/]"
        console.print(f"{mark} {name:16} {escape(said)}", highlight=False)
    if failed:
        raise typer.Exit(1)


def _checks() -> list[tuple[str, bool, str]]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return [
        ("Python", sys.version_info >= (3, 11), version),
        _modules("analytics", ANALYTICS_MODULES),
        _modules("server", SERVER_MODULES),
        _folder(),
        *_web_app(),
    ]


def _web_app() -> list[tuple[str, bool, str]]:
    """Nothing where the server part, which would serve it, is not installed."""
    try:
        from netra_apex.web_files import default_folder
    except ModuleNotFoundError:
        return []
    built = (default_folder() / "index.html").is_file()
    return [("web app", built, "built" if built else "not built: make web")]


def _modules(name: str, modules: tuple[str, ...]) -> tuple[str, bool, str]:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    advice = f"missing {', '.join(missing)}: pip install 'netra-apex[server]'"
    return (name, not missing, advice if missing else f"{len(modules)} modules found")


def _folder() -> tuple[str, bool, str]:
    home = Path(get_env().get("APEX_HOME") or Path.home() / ".local/share/netra-apex")
    probe = next(part for part in (home, *home.parents) if part.exists())
    try:
        free = shutil.disk_usage(probe).free
    except OSError as error:
        return ("data folder", False, f"{home}: {error.strerror}")
    if not os.access(probe, os.W_OK | os.X_OK):
        return ("data folder", False, f"{home}: not writable here; choose one with APEX_HOME")
    enough = free >= MIN_FREE_BYTES
    return ("data folder", enough, f"{home}, {free / 1024**3:.1f} GiB free")
