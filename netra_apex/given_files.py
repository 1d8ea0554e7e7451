"""Files as the command line names them."""

from collections.abc import Iterable
from pathlib import Path

import typer


def distinct_files(given: Iterable[Path]) -> list[Path]:
    """The files in their order, each once, whatever its names; says so when one is left out.

    Calls without ids of their own would otherwise count as often as their file is named.
    """
    found: dict[object, Path] = {}
    for path in given:
        try:
            status = path.stat()
        except OSError:  # reading it says what is wrong
            found.setdefault(path, path)
            continue
        first = found.setdefault((status.st_dev, status.st_ino), path)
        if first is not path:
            typer.echo(f"apex: {path} is given more than once; it is read once", err=True)
    return list(found.values())
