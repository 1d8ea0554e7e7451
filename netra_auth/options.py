"""What the auth service needs to know, as plain values handed in."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from netra_auth.errors import SigningKeyUnusable

MIN_SECRET_LENGTH = 32
DEFAULT_MAIL_FROM = "Netra Apex <no-reply@localhost>"


class Registration(StrEnum):
    """Who may make an account, and what the answer tells.

    OPEN signs in at once (and so tells whether an address is taken: development only). VERIFIED
    answers the same for every address and goes on by mail. INVITE needs an invitation. CLOSED
    leaves it to operators.
    """

    OPEN = "open"
    VERIFIED = "verified"
    INVITE = "invite"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcProvider:
    """One issuer that people may sign in with. `name` is part of the redirect address."""

    name: str
    label: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "openid email profile"
    redirect_url: str | None = None
    """Where the provider sends people back; under the public URL when absent."""
    trust_email: bool = True
    """Take `email_verified: true` of this issuer as proof of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCost:
    """Argon2id parameters; the defaults are 19 MiB, two passes, one lane."""

    time_cost: int = 2
    memory_kib: int = 19_456
    parallelism: int = 1
    concurrency: int = 2
    """Hashes computed at once, each in a thread and with its memory."""
    waiting: int = 64
    """Further requests that may wait for a hash; more are told to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Settings of the auth service. Durations in seconds."""

    public_url: str = "http://localhost:8000"
    issuer: str = "http://localhost:8000"
    audience: str = "netra-apex"
    algorithm: str = "Ed25519"
    """`Ed25519`, or `HS256` with `jwt_secret_key`."""
    jwt_secret_key: str | None = field(default=None, repr=False)
    service_secret: str | None = field(default=None, repr=False)
    access_ttl_s: int = 600
    refresh_idle_ttl_s: int = 14 * 86_400
    refresh_absolute_ttl_s: int = 90 * 86_400
    refresh_grace_s: float = 10.0
    key_rotation_s: int = 30 * 86_400
    key_publish_ahead_s: int = 300
    """A new key is published this long before it signs: longer than a verifier caches keys."""
    verify_ttl_s: int = 86_400
    reset_ttl_s: int = 3_600
    invitation_ttl_s: int = 7 * 86_400
    setup_ttl_s: int = 86_400
    oauth_state_ttl_s: int = 600
    registration: Registration = Registration.OPEN
    secure_cookies: bool = False
    """False on plain-http localhost in development alone."""
    trust_loopback_origins: bool = True
    """Accept http://localhost and http://127.0.0.1 on the request's own port as an origin."""
    cors_origins: tuple[str, ...] = ()
    oidc_providers: tuple[OidcProvider, ...] = ()
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = DEFAULT_MAIL_FROM
    password_cost: PasswordCost = PasswordCost()
    production: bool = False
    """Staging and production: no default credentials, a one-time setup link instead."""

    def __post_init__(self) -> None:
        if self.algorithm not in {"Ed25519", "HS256"}:
            raise SigningKeyUnusable(
                f"Unknown token algorithm {self.algorithm!r}.", hint="Use Ed25519 or HS256."
            )
        if self.algorithm == "HS256" and len(self.jwt_secret_key or "") < MIN_SECRET_LENGTH:
            raise SigningKeyUnusable(
                "HS256 needs a JWT_SECRET_KEY of at least 32 characters.",
                hint="Set JWT_SECRET_KEY, or use the default algorithm Ed25519.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFolders:
    """Where the auth service keeps files: keys (mode 0600) and, without SMTP, unsent mail."""

    keys: Path
    outbox: Path
