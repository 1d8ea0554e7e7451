"""Secret keys that only this installation needs, made on first use."""

import os
from pathlib import Path

from netra_auth.deps import RandomBytes
from netra_auth.errors import SigningKeyUnusable

_BYTES = 32


def local_key(folder: Path, name: str, random_bytes: RandomBytes) -> bytes:
    """The 32 bytes in `folder/name` (mode 0600), written first where there are none yet.

    Safe when several processes start at once: all read the bytes of the one that was first.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        scratch = folder / f"{name}.{random_bytes(8).hex()}"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(random_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    key = path.read_bytes()
    if len(key) != _BYTES:
        raise SigningKeyUnusable(f"{str(path)!r} is not a key.", hint="Remove the file.")
    return key
