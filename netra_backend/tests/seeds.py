"""Migrated databases to copy: the migration library stays out of the suites' processes.

A process of its own makes them (`python -m netra_backend.tests.seeds`), once for a state of the
migrations; later sessions find them in the system's temporary folder.
"""

import asyncio
import subprocess
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import copyfile, rmtree

ROOT = Path(__file__).resolve().parents[2]
PLATFORM, AUTH = "platform.sqlite", "auth.sqlite"


def seed(home: Path) -> None:
    """Put migrated databases of the platform and of auth into a home that has none."""
    for name in (PLATFORM, AUTH):
        if not (home / name).exists():
            copyfile(_seeds() / name, home / name)


def migrate_apart(migration_url: str) -> None:
    """Migrate a platform on PostgreSQL in a process of its own."""
    _run(migration_url)


@cache
def _seeds() -> Path:
    made_of = sha256(str(Path.home()).encode())  # another user's could not be read
    for pattern in ("netra_*/migrations/**/*.py", "netra_core/database/*.py"):
        for file in sorted(ROOT.glob(pattern)):
            made_of.update(file.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"apex-seeds-{made_of.hexdigest()[:16]}"
    if not folder.exists():
        making = Path(tempfile.mkdtemp(prefix="apex-seeds-"))
        _run(str(making))
        try:
            making.rename(folder)
        except OSError:  # another process was first
            rmtree(making)
    return folder


def _run(where: str) -> None:
    command = [sys.executable, "-m", "netra_backend.tests.seeds", where]
    subprocess.run(command, cwd=ROOT, check=True)


async def _make(where: str) -> None:
    from netra_auth import AuthDatabaseManager
    from netra_backend.migrations import migrate_platform
    from netra_core.testing.postgres import APP_ROLE

    if "://" in where:
        await migrate_platform(where, app_role=APP_ROLE)
        return
    await migrate_platform(f"sqlite+aiosqlite:///{where}/{PLATFORM}")
    auth = AuthDatabaseManager(f"sqlite+aiosqlite:///{where}/{AUTH}", testing=True)
    await auth.migrate()
    await auth.dispose()


if __name__ == "__main__":
    asyncio.run(_make(sys.argv[1]))
