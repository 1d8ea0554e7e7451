"""Secrets made for a machine on which nobody set any."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

KEYS_FOLDER: Final = "keys"
_FILES: Final = {
    "auth.jwt_secret_key": "jwt_secret_key",
    "auth.service_secret": "service_secret",
    "auth.fernet_key": "fernet_key",
}


def ensure_secrets(
    home: Path, *, generate: Callable[[], str] = lambda: secrets.token_urlsafe(48)
) -> dict[str, str]:
    """The secrets of this machine by setting; those that are missing are made and kept.

    They live in `home/keys`, one file each, readable by the owner alone (0600 in a 0700 folder).
    Two processes that start at once agree on the same ones.
    """
    folder = home.expanduser() / KEYS_FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return {key: _keep(folder / name, generate) for key, name in _FILES.items()}


def _keep(path: Path, generate: Callable[[], str]) -> str:
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(generate())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # atomic, and the first process wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    path.chmod(0o600)
    return path.read_text().strip()
