"""Signing keys of access tokens: made on first start, rotated with overlap, kept in one file."""

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from joserfc.jwk import OctKey, OKPKey

from netra_auth.deps import Clock
from netra_auth.errors import SigningKeyUnusable
from netra_auth.options import AuthOptions

SigningKey = OKPKey | OctKey

_FILE = "auth-signing.json"
_LEEWAY_S = 60


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """One Ed25519 key on disk. It signs from `active_from` until the next one does."""

    kid: str
    d: str
    x: str
    active_from: float
    retire_at: float | None = None
    """Published until then; None while no successor is known."""


class _File(msgspec.Struct, frozen=True):
    keys: list[StoredKey]


@dataclass(frozen=True, slots=True)
class _Ring:
    stamp: tuple[int, int]
    stored: tuple[StoredKey, ...]
    keys: dict[str, OKPKey]


class SigningKeys:
    """The keys that sign and verify access tokens.

    With Ed25519 a new key is published `key_publish_ahead_s` before it signs and its predecessor
    stays published until the last token it signed has expired, so no valid token is ever refused
    for its key. The file is written atomically with mode 0600 and read again when another process
    changed it. With HS256 the one secret is `jwt_secret_key` and nothing is published.
    """

    def __init__(self, folder: Path, options: AuthOptions, clock: Clock) -> None:
        self._folder = folder
        self._path = folder / _FILE
        self._options = options
        self._clock = clock
        self._ring: _Ring | None = None
        self._secret: tuple[str, OctKey] | None = None
        if options.algorithm == "HS256":
            raw = (options.jwt_secret_key or "").encode()
            kid = "hs-" + hashlib.sha256(raw).hexdigest()[:16]
            self._secret = (kid, OctKey.import_key(raw))

    def signer(self) -> tuple[str, SigningKey]:
        """The key id and key to sign with now. Rotates first when the key is old enough."""
        if self._secret is not None:
            return self._secret
        now = self._clock()
        ring = self._load()
        newest = ring.stored[-1]
        if now - newest.active_from >= self._options.key_rotation_s:
            self.rotate()
            ring = self._load()
        active = [key for key in ring.stored if key.active_from <= now]
        kid = (active[-1] if active else ring.stored[0]).kid
        return kid, ring.keys[kid]

    def verifier(self, kid: str) -> SigningKey | None:
        """The key under this id while tokens signed by it may be alive, else None."""
        if self._secret is not None:
            return self._secret[1] if kid == self._secret[0] else None
        ring = self._load()
        for stored in ring.stored:
            if stored.kid == kid:
                alive = stored.retire_at is None or self._clock() < stored.retire_at
                return ring.keys[kid] if alive else None
        return None

    def published(self) -> list[dict[str, str]]:
        """The public keys as JSON Web Keys, oldest first; empty with HS256."""
        if self._secret is not None:
            return []
        now = self._clock()
        return [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": key.x,
                "kid": key.kid,
                "use": "sig",
                "alg": "Ed25519",
            }
            for key in self._load().stored
            if key.retire_at is None or now < key.retire_at
        ]

    def rotate(self, *, at_once: bool = False) -> str:
        """Publish a new key and return its id.

        It signs after the publish-ahead time; `at_once` makes it sign now and drops all other
        keys, for a key that may have leaked: every access token out there stops working.
        """
        if self._secret is not None:
            raise SigningKeyUnusable("HS256 has one secret.", hint="Change JWT_SECRET_KEY instead.")
        with self._locked():
            stored = [] if at_once else [*self._read()]
            now = self._clock()
            stored = [k for k in stored if k.retire_at is None or now < k.retire_at]
            if stored and stored[-1].active_from > now:
                return stored[-1].kid  # another process rotated while we waited
            begin = now if not stored else now + self._options.key_publish_ahead_s
            if stored:
                retire = begin + self._options.access_ttl_s + _LEEWAY_S
                stored[-1] = msgspec.structs.replace(stored[-1], retire_at=retire)
            stored.append(_generate(begin))
            self._write(stored)
            return stored[-1].kid

    def _load(self) -> _Ring:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            with self._locked():
                if not self._path.exists():
                    self._write([_generate(self._clock())])
            status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if self._ring is None or self._ring.stamp != stamp:
            stored = tuple(self._read())
            keys = {key.kid: _import(key) for key in stored}
            self._ring = _Ring(stamp=stamp, stored=stored, keys=keys)
        return self._ring

    def _read(self) -> list[StoredKey]:
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File).keys
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise SigningKeyUnusable(
                f"The signing keys in {str(self._path)!r} cannot be read.",
                hint="Restore the file, or remove it to start with new keys.",
            ) from error
        if not found:
            raise SigningKeyUnusable(f"{str(self._path)!r} holds no key.", hint="Remove the file.")
        return found

    def _write(self, stored: list[StoredKey]) -> None:
        scratch = self._path.with_suffix(".new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(_File(keys=stored)))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._path)
        self._ring = None

    @contextmanager
    def _locked(self) -> Generator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / "auth-signing.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _generate(active_from: float) -> StoredKey:
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    data = key.as_dict(private=True)
    return StoredKey(kid=str(key.kid), d=str(data["d"]), x=str(data["x"]), active_from=active_from)


def _import(stored: StoredKey) -> OKPKey:
    data: dict[str, str | list[str]] = {"kty": "OKP", "crv": "Ed25519"}
    data |= {"x": stored.x, "d": stored.d, "kid": stored.kid}
    return OKPKey.import_key(data)
