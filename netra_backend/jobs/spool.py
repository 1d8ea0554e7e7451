"""Files on their way in and out, each named after the process that it belongs to."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

_AFTER_NODE: Final = "~"


class Spool:
    """A folder that several processes may share: none touches what another one, alive, has there.

    What a process leaves behind is removed by the next that starts under its name, or that finds
    its name free (see NodeIdentity).
    """

    def __init__(self, folder: Path, node: str) -> None:
        self._folder = folder
        self._node = node

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder

    def name(self, of: str) -> str:
        """A file's name in the folder: this process's own, for a thing with this id."""
        return f"{self._node}{_AFTER_NODE}{of}"

    def sweep(self, ended: Collection[str], kept: Collection[str]) -> list[Path]:
        """Remove this process's own files and those of `ended` ones, but for the paths in `kept`.

        To be called before anything is begun here. Returns what was removed.
        """
        owners = {self._node, *ended}
        removed: list[Path] = []
        for path in self._folder.iterdir():
            owner, marked, _ = path.name.partition(_AFTER_NODE)
            if marked and owner in owners and str(path) not in kept and path.is_file():
                path.unlink(missing_ok=True)
                removed.append(path)
        return removed
