"""Where a database stands is known without the library that migrates it."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

UPGRADE = """
import asyncio, sys
from netra_backend.migrations import migrate_platform
status = asyncio.run(migrate_platform(sys.argv[1]))
print(status.up_to_date, "alembic" in sys.modules)
"""


@pytest.mark.parametrize("package", ["netra_backend.migrations", "netra_auth.migrations"])
def test_migrations_are_one_line_in_the_order_of_their_files_names(package: str) -> None:
    with resources.as_file(resources.files(package)) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        line = list(ScriptDirectory.from_config(config).walk_revisions("base", "head"))[::-1]
    names = [Path(script.path).name for script in line]
    assert names == sorted(names)
    assert [name.partition("_")[0] for name in names] == [script.revision for script in line]
    assert [script.down_revision for script in line[1:]] == [s.revision for s in line[:-1]]


def test_a_database_up_to_date_is_found_so_without_loading_the_migration_library(
    platform_sqlite: str, tmp_path: Path
) -> None:
    def upgrade(url: str) -> str:
        command = [sys.executable, "-c", UPGRADE, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert upgrade(platform_sqlite) == "True False"
    assert upgrade(f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite'}") == "True True"
