"""The package as others see it."""

import subprocess
import sys

import pytest

import netra_auth
from netra_auth import OidcProvider, Registration, folders_from, options_from
from netra_core.configuration import load_settings
from netra_core.environment import IsolatedEnvironment

DEPLOYED = {
    "ENVIRONMENT": "production",
    "APEX_PUBLIC_URL": "https://apex.example.com",
    "SERVICE_SECRET": "k3v9" * 10,
    "FERNET_KEY": "p7q2" * 10,
    "APEX_EMBEDDED": "1",
}


def test_the_public_names_are_these() -> None:
    assert netra_auth.__all__ == [
        "AuthDatabaseManager",
        "AuthDeps",
        "AuthFolders",
        "AuthOptions",
        "OidcProvider",
        "Operators",
        "PasswordCost",
        "Registration",
        "create_app",
        "folders_from",
        "options_from",
    ]
    assert all(hasattr(netra_auth, name) for name in netra_auth.__all__)


def test_importing_it_loads_neither_identity_providers_nor_dictionaries_nor_migrations() -> None:
    heavy = "('authlib', 'zxcvbn', 'alembic', 'httpx2', 'httpx')"
    code = f"import netra_auth, sys; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def options(**variables: str):
    return options_from(load_settings(IsolatedEnvironment(variables)))


def test_development_lets_people_in_at_once_over_plain_http() -> None:
    made = options()
    assert made.registration is Registration.OPEN
    assert (made.secure_cookies, made.trust_loopback_origins, made.production) == (
        False,
        True,
        False,
    )


def test_production_goes_by_invitation_or_mail_and_secures_cookies() -> None:
    made = options(**DEPLOYED)
    assert made.registration is Registration.INVITE
    assert (made.secure_cookies, made.trust_loopback_origins, made.production) == (
        True,
        False,
        True,
    )
    mailed = options(**DEPLOYED, APEX_AUTH_SMTP_URL="smtp://u:p@mail.example.com:587")
    assert mailed.registration is Registration.VERIFIED


def test_providers_come_from_a_list_and_google_from_its_pair() -> None:
    listed = (
        '[{"name": "okta", "label": "Okta", "issuer": "https://okta.example.com",'
        ' "client_id": "a", "client_secret": "b"}]'
    )
    made = options(
        APEX_AUTH_OIDC_PROVIDERS=listed,
        GOOGLE_OAUTH_CLIENT_ID_DEVELOPMENT="id",
        GOOGLE_OAUTH_CLIENT_SECRET_DEVELOPMENT="secret",
    )
    assert made.oidc_providers == (
        OidcProvider(
            name="okta",
            label="Okta",
            issuer="https://okta.example.com",
            client_id="a",
            client_secret="b",
        ),
        OidcProvider(
            name="google",
            label="Google",
            issuer="https://accounts.google.com",
            client_id="id",
            client_secret="secret",
        ),
    )


def test_no_secret_shows_in_repr() -> None:
    made = options(**DEPLOYED, JWT_SECRET_KEY="j4w8" * 10)
    for secret in (DEPLOYED["SERVICE_SECRET"], "j4w8"):
        assert secret not in repr(made)


def test_a_broken_list_of_providers_is_a_clear_error() -> None:
    from netra_core.errors import ApexError

    with pytest.raises(ApexError, match="oidc_providers"):
        options(APEX_AUTH_OIDC_PROVIDERS='[{"name": 1}]')


def test_files_live_under_the_home_folder() -> None:
    folders = folders_from(load_settings(IsolatedEnvironment({"APEX_HOME": "/srv/apex"})))
    assert (str(folders.keys), str(folders.outbox)) == ("/srv/apex/keys", "/srv/apex/outbox")
