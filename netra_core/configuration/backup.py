"""Backups of the stored configuration: one encrypted file, useless without the key."""

import json
import os
import zlib
from pathlib import Path
from typing import Any, Final

from netra_core.configuration.core import ConfigurationCore
from netra_core.configuration.encryption import Cipher
from netra_core.configuration.errors import BackupError, EncryptionError
from netra_core.configuration.revisions import Stored
from netra_core.configuration.schema import Scope
from netra_core.configuration.scopes import ScopeKey
from netra_core.configuration.stored import Address

FORMAT: Final = "netra-apex-configuration-backup"
VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024


def _cipher(core: ConfigurationCore) -> Cipher:
    if core.cipher is None:
        raise EncryptionError("A backup needs FERNET_KEY.", hint="Set FERNET_KEY.")
    return core.cipher


def write_backup(core: ConfigurationCore, path: Path) -> int:
    """Writes what is stored, secrets included, to `path` (0600); says up to which revision.

    Raises:
        BackupError: the file cannot be written.
        EncryptionError: there is no key.
    """
    cipher = _cipher(core)
    state = core.snapshot.sources.stored
    content = {
        "revision": state.number,
        "hash": state.hash,
        "at": core.now().isoformat(),
        "values": [
            {
                "scope": str(scope.scope),
                "owner": scope.owner,
                "key": key,
                "value": core.builder.plain(stored),
                "secret": stored.encrypted,
            }
            for (scope, key), stored in state.values().items()
        ],
        "history": [json.loads(revision.body()) for revision in state.revisions],
    }
    packed = zlib.compress(json.dumps(content).encode()).hex()
    document = {
        "format": FORMAT,
        "version": VERSION,
        "revision": state.number,
        "content": cipher.encrypt(packed),
    }
    _write_private(path, json.dumps(document, indent=1) + "\n")
    return state.number


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BackupError(f"{str(path)!r} cannot be written: {why}.") from None


def read_backup(core: ConfigurationCore, path: Path) -> dict[Address, Stored]:
    """The stored values of a backup, secrets encrypted with the present key.

    Raises:
        BackupError: the file is no backup, was changed, or needs another FERNET_KEY.
    """
    cipher = _cipher(core)
    document = _document(path)
    try:
        packed = bytes.fromhex(cipher.decrypt(str(document["content"])))
        content = json.loads(_unpack(packed))
        return {
            (ScopeKey(Scope(row["scope"]), row["owner"]), row["key"]): (
                Stored(cipher.encrypt(row["value"]), encrypted=True)
                if row["secret"]
                else Stored(row["value"])
            )
            for row in content["values"]
        }
    except EncryptionError:
        raise BackupError(
            f"{path.name!r} cannot be read with this FERNET_KEY, or was changed.",
            hint="Give the key that was in force when it was written.",
        ) from None
    except (KeyError, TypeError, ValueError, zlib.error):
        raise BackupError(f"{path.name!r} holds no usable backup.") from None


def _unpack(packed: bytes) -> bytes:
    engine = zlib.decompressobj()
    content = engine.decompress(packed, MAX_BYTES)
    if engine.unconsumed_tail:
        raise ValueError("larger than a backup can be")
    return content


def _document(path: Path) -> dict[str, Any]:  # Any: a JSON object
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BackupError(f"{path.name!r} is larger than a backup can be.")
        document = json.loads(path.read_bytes())
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BackupError(f"{str(path)!r} cannot be read: {why}.") from None
    except ValueError:
        raise BackupError(f"{path.name!r} is no backup.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BackupError(f"{path.name!r} is no backup of a configuration.")
    if document.get("version") != VERSION or "content" not in document:
        raise BackupError(f"{path.name!r} is a backup of another version.")
    return document
