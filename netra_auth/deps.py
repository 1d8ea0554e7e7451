"""What the auth service is built from: values and ports handed in by the composition root."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from netra_auth.database import AuthDatabaseManager
from netra_auth.options import AuthFolders, AuthOptions

Clock = Callable[[], float]
"""Unix time in seconds."""

RandomBytes = Callable[[int], bytes]
"""A cryptographically secure source."""


def random_id(prefix: str) -> str:
    """A new public identifier such as `usr_4f…`: 96 random bits, no meaning inside."""
    return f"{prefix}_{secrets.token_hex(12)}"


def _say_nothing(_line: str) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class AuthDeps:
    """Everything `create_app` needs; nothing is read from the environment.

    `options` change while the service runs, by `use` alone: parts read them when they need them.
    """

    options: AuthOptions
    database: AuthDatabaseManager
    folders: AuthFolders
    clock: Clock = time.time
    new_id: Callable[[str], str] = random_id
    random_bytes: RandomBytes = secrets.token_bytes
    announce: Callable[[str], None] = field(default=_say_nothing)
    """Told one line for the operator's eyes, such as the one-time setup link. Never a log."""

    def use(self, options: AuthOptions) -> None:
        """Put lives of sessions and registration of these options into force."""
        self.options = replace(
            self.options,
            refresh_idle_ttl_s=options.refresh_idle_ttl_s,
            refresh_absolute_ttl_s=options.refresh_absolute_ttl_s,
            refresh_grace_s=options.refresh_grace_s,
            registration=options.registration,
        )
