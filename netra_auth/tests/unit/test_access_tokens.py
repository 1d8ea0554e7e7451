"""Access tokens: only ours, only now, only for us."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from netra_auth.errors import NotSignedIn, SigningKeyUnusable
from netra_auth.options import AuthOptions
from netra_auth.signing_keys import SigningKeys
from netra_auth.tests.kit import Clock
from netra_auth.tokens import AccessTokens

OPTIONS = AuthOptions(issuer="https://apex.example", key_publish_ahead_s=300, access_ttl_s=600)
SECRET = "0123456789abcdef" * 4


class Service:
    """Tokens and keys over one folder."""

    def __init__(self, folder: Path, clock: Clock, options: AuthOptions = OPTIONS) -> None:
        self.clock, self.options = clock, options
        self.keys = SigningKeys(folder, options, clock)
        self.tokens = AccessTokens(options, self.keys, clock)

    def issue(self) -> str:
        token, _ = self.tokens.issue(
            user_id="usr_1",
            workspace_id="ws_1",
            role="owner",
            session_id="ses_1",
            jti="tok_1",
            auth_time=int(self.clock()),
            not_after=self.clock() + 10**6,
        )
        return token

    def forge(self, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """A token signed with a key in use (or another), with parts changed at will."""
        kid, own = self.keys.signer()
        payload = {**_part(self.issue(), 1), **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        head = {"alg": "Ed25519", "typ": "at+jwt", "kid": kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        registry = JWSRegistry(algorithms=["Ed25519", "HS256", "RS256"], strict_check_header=False)
        return jwt.encode(head, payload, key or own, registry=registry, default_type=None)

    def refuses(self, token: str) -> None:
        with pytest.raises(NotSignedIn):
            self.tokens.verify(token)


def _part(token: str, index: int) -> dict[str, Any]:
    segment = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Service:
    return Service(tmp_path, clock)


def test_a_token_says_what_the_port_says_and_verifies(service: Service) -> None:
    token = service.issue()
    assert _part(token, 0) == {
        "typ": "at+jwt",
        "alg": "Ed25519",
        "kid": service.keys.signer()[0],
    }
    claims = service.tokens.verify(token)
    now = service.clock()
    assert (claims.sub, claims.ws, claims.sid) == ("usr_1", "ws_1", "ses_1")
    assert claims.roles == ["owner"]
    assert (claims.iss, claims.aud) == ("https://apex.example", "netra-apex")
    assert (claims.iat, claims.nbf, claims.exp) == (now, int(now), int(now) + 600)


def test_alg_none_is_refused(service: Service) -> None:
    _, payload, _ = service.issue().split(".")
    kid = service.keys.signer()[0]
    for alg in ("none", "None", "NONE", "nOnE", ""):
        head = _segment({"alg": alg, "typ": "at+jwt", "kid": kid})
        service.refuses(f"{head}.{payload}.")
        service.refuses(f"{head}.{payload}.AAAA")


def test_the_public_key_is_no_hmac_secret(service: Service) -> None:
    kid, key = service.keys.signer()
    assert isinstance(key, OKPKey)
    public = service.keys.published()[0]
    for secret in (key.as_pem(private=False), public["x"].encode(), json.dumps(public).encode()):
        head = _segment({"alg": "HS256", "typ": "at+jwt", "kid": kid})
        signed = f"{head}.{service.issue().split('.')[1]}"
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        service.refuses(f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}")


def test_an_rsa_key_of_the_attacker_is_refused(service: Service) -> None:
    key = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    service.refuses(service.forge({"alg": "RS256"}, key))


def test_a_forged_kid_is_refused(service: Service) -> None:
    own = OKPKey.generate_key("Ed25519")
    for kid in ("other", "../../etc/passwd", "' OR 1=1 --", "", None, 7, ["a"], {"a": 1}):
        service.refuses(_unsigned(service, kid))
        if isinstance(kid, str):
            service.refuses(service.forge({"kid": kid}, own))
    service.refuses(service.forge(None, own))


def _unsigned(service: Service, kid: object) -> str:
    _, payload, signature = service.issue().split(".")
    return f"{_segment({'alg': 'Ed25519', 'typ': 'at+jwt', 'kid': kid})}.{payload}.{signature}"


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": OKPKey.generate_key("Ed25519").as_dict(private=False)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "abc"},
        {"crit": ["exp"]},
        {"cty": "JWT"},
        {"zip": "DEF"},
        {"b64": False},
    ],
)
def test_a_header_with_any_other_name_is_refused(service: Service, extra: dict[str, Any]) -> None:
    """Even when the signature is right: a key never comes from the token."""
    _, payload, _ = service.issue().split(".")
    kid, key = service.keys.signer()
    assert isinstance(key, OKPKey)
    head = _segment({"alg": "Ed25519", "typ": "at+jwt", "kid": kid, **extra})
    private = key.get_op_key("sign")
    signature = private.sign(f"{head}.{payload}".encode())  # type: ignore[union-attr]
    encoded = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    service.refuses(f"{head}.{payload}.{encoded}")


def test_a_key_in_the_header_is_not_used(service: Service) -> None:
    key = OKPKey.generate_key("Ed25519")
    service.refuses(service.forge({"jwk": key.as_dict(private=False)}, key))


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "id_token+jwt", None, "application/at+jwt", "AT+JWT"]
)
def test_a_token_of_another_type_is_refused(service: Service, typ: str | None) -> None:
    service.refuses(service.forge({"typ": typ}))


def test_the_deprecated_name_of_the_algorithm_is_refused(service: Service) -> None:
    _, payload, signature = service.issue().split(".")
    head = _segment({"alg": "EdDSA", "typ": "at+jwt", "kid": service.keys.signer()[0]})
    service.refuses(f"{head}.{payload}.{signature}")


def test_an_expired_token_is_refused_at_its_last_second(service: Service) -> None:
    token = service.issue()
    service.clock.move(599.9)
    assert service.tokens.verify(token).sub == "usr_1"
    service.clock.move(0.1)
    service.refuses(token)


def test_a_token_that_is_not_valid_yet_is_refused(service: Service) -> None:
    service.refuses(service.forge(nbf=int(service.clock()) + 60))
    service.refuses(service.forge(iat=service.clock() + 60))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"aud": ["netra-apex", "other"]},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": "https://apex.example/"},
        {"exp": None},
        {"exp": "never"},
        {"exp": 1e400},
        {"nbf": None},
        {"iat": None},
        {"sub": None},
        {"sub": 7},
        {"ws": None},
        {"sid": None},
        {"roles": "owner"},
        {"exp": True},
    ],
)
def test_wrong_missing_or_mistyped_claims_are_refused(
    service: Service, claims: dict[str, Any]
) -> None:
    service.refuses(service.forge(**claims))


def test_a_changed_payload_or_signature_is_refused(service: Service) -> None:
    head, payload, signature = service.issue().split(".")
    body = _part(f"{head}.{payload}.{signature}", 1)
    service.refuses(f"{head}.{_segment({**body, 'roles': ['owner', 'root']})}.{signature}")
    service.refuses(f"{head}.{payload}.{signature[:-4]}AAAA")
    service.refuses(f"{head}.{payload}.")


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a.b.c", "a" * 5000, "é.é.é", "[].[].[]", "null.null.null", "....."),
        *("e30.e30.e30", _segment([1]) + ".e30.AAAA", _segment("x" * 300) + "..", "\x00.."),
        "[" * 3000 + "..",
    ],
)
def test_what_is_no_token_is_refused(service: Service, text: str) -> None:
    service.refuses(text)


def test_hs256_works_with_its_secret_alone(tmp_path: Path, clock: Clock) -> None:
    options = replace(OPTIONS, algorithm="HS256", jwt_secret_key=SECRET)
    service = Service(tmp_path, clock, options)
    token = service.issue()
    assert _part(token, 0)["alg"] == "HS256"
    assert service.tokens.verify(token).sub == "usr_1"
    assert service.keys.published() == []
    other = Service(tmp_path, clock, replace(options, jwt_secret_key=SECRET[::-1]))
    other.refuses(token)
    Service(tmp_path, clock).refuses(token)


def test_hs256_needs_a_secret_of_32_characters() -> None:
    for secret in (None, "", "short"):
        with pytest.raises(SigningKeyUnusable, match="32 characters"):
            AuthOptions(algorithm="HS256", jwt_secret_key=secret)


def test_an_unknown_algorithm_is_refused_at_start() -> None:
    with pytest.raises(SigningKeyUnusable, match="'none'"):
        AuthOptions(algorithm="none")
