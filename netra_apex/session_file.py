"""Where the command line keeps its sign-in: one small file that only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "session.json"


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A sign-in with one server."""

    url: str
    refresh_token: str


def load_session(home: Path, url: str) -> StoredSession | None:
    """The sign-in with this server; None when there is none or the file cannot be understood."""
    try:
        stored = StoredSession(**json.loads((home / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return stored if stored.url == url else None


def save_session(home: Path, session: StoredSession) -> None:
    """Keep a sign-in, mode 0600, replacing the one before in one step."""
    home.mkdir(parents=True, exist_ok=True)
    target = home / FILE_NAME
    fresh = target.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(session), file)
    fresh.replace(target)
