"""The auth service's options, read from the settings of the installation."""

from pydantic import SecretStr, TypeAdapter

from netra_auth.errors import InvalidRequest
from netra_auth.options import (
    DEFAULT_MAIL_FROM,
    AuthFolders,
    AuthOptions,
    OidcProvider,
    Registration,
)
from netra_core.configuration import Settings
from netra_core.environment import Environment

GOOGLE_ISSUER = "https://accounts.google.com"
_DEPLOYED = frozenset({Environment.STAGING, Environment.PRODUCTION})


def options_from(settings: Settings) -> AuthOptions:
    """The options for these settings.

    Without a word on registration, development lets people in at once; staging and production
    go by mail where SMTP is set and by invitation where it is not. Cookies are Secure unless
    this is development on plain-http loopback.
    """
    auth, deployed = settings.auth, settings.environment in _DEPLOYED
    public_url = settings.http.public_url
    return AuthOptions(
        public_url=public_url,
        issuer=auth.issuer,
        audience=auth.audience,
        algorithm=auth.algorithm,
        jwt_secret_key=_reveal(auth.jwt_secret_key),
        service_secret=_reveal(auth.service_secret),
        access_ttl_s=auth.access_ttl_s,
        refresh_idle_ttl_s=auth.refresh_idle_ttl_s,
        refresh_absolute_ttl_s=auth.refresh_absolute_ttl_s,
        refresh_grace_s=auth.refresh_grace_s,
        key_rotation_s=auth.key_rotation_s,
        registration=_registration(settings, deployed=deployed),
        secure_cookies=deployed or public_url.startswith("https://"),
        trust_loopback_origins=not deployed,
        cors_origins=tuple(origin for origin in settings.http.cors_origins if origin != "*"),
        oidc_providers=_providers(settings),
        smtp_url=_reveal(auth.smtp_url),
        mail_from=auth.mail_from or DEFAULT_MAIL_FROM,
        production=deployed,
    )


def folders_from(settings: Settings) -> AuthFolders:
    """Keys and the outbox under the home folder."""
    home = settings.paths.home
    return AuthFolders(keys=home / "keys", outbox=home / "outbox")


def _registration(settings: Settings, *, deployed: bool) -> Registration:
    if settings.auth.registration is not None:
        return Registration(settings.auth.registration)
    if not deployed:
        return Registration.OPEN
    return Registration.VERIFIED if settings.auth.smtp_url else Registration.INVITE


def _providers(settings: Settings) -> tuple[OidcProvider, ...]:
    auth = settings.auth
    text = _reveal(auth.oidc_providers)
    try:
        found = TypeAdapter(list[OidcProvider]).validate_json(text) if text else []
    except ValueError as error:
        raise InvalidRequest(
            "The setting auth.oidc_providers is not a JSON list of providers.",
            hint="Each needs name, label, issuer, client_id and client_secret.",
        ) from error
    if auth.google_oauth_client_id and auth.google_oauth_client_secret is not None:
        google = OidcProvider(
            name="google",
            label="Google",
            issuer=GOOGLE_ISSUER,
            client_id=auth.google_oauth_client_id,
            client_secret=auth.google_oauth_client_secret.get_secret_value(),
            redirect_url=auth.google_oauth_redirect_url,
        )
        found.append(google)
    return tuple(found)


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
