"""An identity provider that lies: every false ID token is refused."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from netra_auth import OidcProvider
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import BASE_URL, Kit
from netra_core.testing.servers import RunningServer, running

pytestmark = pytest.mark.integration
CLIENT = "apex"
FAILED = {"/login#error=AUTH-013", "/login#error=AUTH-014"}
KEY = RSAKey.generate_key(2048, parameters={"kid": "good", "alg": "RS256"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "good"})
Claims = dict[str, Any]


@dataclass
class Evil:
    """A provider on loopback whose document and tokens each test bends."""

    url: str = ""
    nonce: str = ""
    document: Claims = field(default_factory=dict)
    make: Callable[["Evil"], str] = lambda evil: evil.sign(evil.claims())
    code_checks: list[Claims] = field(default_factory=list)

    def claims(self, **changes: object) -> Claims:
        now = int(time())
        base: Claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "subject",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
            "email": "ada@example.org",
            "email_verified": True,
        }
        merged = {**base, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def sign(self, claims: Claims, key: Any = KEY, **header: str) -> str:
        head = {"alg": "RS256", "kid": "good", **header}
        registry = JWSRegistry(algorithms=["RS256", "HS256"], strict_check_header=False)
        return jwt.encode(head, claims, key, registry=registry)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def configuration() -> Claims:
            return {
                "issuer": self.url,
                "authorization_endpoint": self.url + "/auth",
                "token_endpoint": self.url + "/token",
                "jwks_uri": self.url + "/keys",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                **self.document,
            }

        @app.get("/keys")
        async def keys() -> Any:
            return KeySet([KEY]).as_dict(private=False)

        @app.post("/token")
        async def token() -> Claims:
            return {"access_token": "opaque", "token_type": "Bearer", "id_token": self.make(self)}

        return app


@pytest.fixture
async def evil() -> AsyncGenerator[Evil]:
    made = Evil()
    server: RunningServer
    async with running(made.app()) as server:
        made.url = server.url
        yield made


@pytest.fixture
async def kit(start_auth: StartAuth, evil: Evil) -> AsyncGenerator[Kit]:
    provider = OidcProvider(
        name="evil", label="Evil", issuer=evil.url, client_id=CLIENT, client_secret="s" * 40
    )
    async with start_auth(real_time=True, oidc_providers=(provider,)) as made:
        yield made


async def sign_in(kit: Kit, evil: Evil) -> str:
    """Where a browser ends that signs in there."""
    start = await kit.http.get("/auth/oauth/evil/start", params={"next": "/chat"})
    if "/auth?" not in start.headers["location"]:
        return start.headers["location"]
    asked = parse_qs(urlsplit(start.headers["location"]).query)
    evil.nonce = asked["nonce"][0]
    query = {"state": asked["state"][0], "code": "any"}
    answer = await kit.http.get("/auth/oauth/evil/callback", params=query)
    return answer.headers["location"]


async def test_an_honest_token_signs_in(kit: Kit, evil: Evil) -> None:
    assert await sign_in(kit, evil) == "/chat"


async def test_a_state_works_once_even_where_the_provider_takes_its_code_again(
    kit: Kit, evil: Evil
) -> None:
    start = await kit.http.get("/auth/oauth/evil/start", params={"next": "/chat"})
    browser = start.cookies["apex_oauth"]
    asked = parse_qs(urlsplit(start.headers["location"]).query)
    evil.nonce = asked["nonce"][0]
    query = {"state": asked["state"][0], "code": "any"}
    ends: list[str] = []
    for _ in range(2):
        async with kit.client("192.0.2.7") as http:
            http.cookies.set("apex_oauth", browser)
            answer = await http.get("/auth/oauth/evil/callback", params=query)
            ends.append(answer.headers["location"])
    assert ends == ["/chat", "/login#error=AUTH-013"]


def unsigned(evil: Evil) -> str:
    honest = evil.sign(evil.claims())
    return "eyJhbGciOiJub25lIn0." + honest.split(".")[1] + "."


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda e: e.sign(e.claims(aud="other")), id="audience"),
        pytest.param(lambda e: e.sign(e.claims(aud=["other"])), id="audiences"),
        pytest.param(lambda e: e.sign(e.claims(aud=[CLIENT, "other"])), id="no azp"),
        pytest.param(lambda e: e.sign(e.claims(azp="other")), id="azp"),
        pytest.param(lambda e: e.sign(e.claims(aud="other", azp=CLIENT)), id="azp alone"),
        pytest.param(lambda e: e.sign(e.claims(iss="https://other.example")), id="issuer"),
        pytest.param(lambda e: e.sign(e.claims(iss=e.url + "/")), id="issuer with a slash"),
        pytest.param(lambda e: e.sign(e.claims(nonce="other")), id="nonce"),
        pytest.param(lambda e: e.sign(e.claims(nonce=None)), id="no nonce"),
        pytest.param(lambda e: e.sign(e.claims(exp=int(time()) - 120)), id="expired"),
        pytest.param(lambda e: e.sign(e.claims(exp=None)), id="no expiry"),
        pytest.param(lambda e: e.sign(e.claims(iat=int(time()) + 600)), id="from the future"),
        pytest.param(lambda e: e.sign(e.claims(sub=None)), id="no subject"),
        pytest.param(lambda e: e.sign(e.claims(at_hash="AAAA")), id="at_hash"),
        pytest.param(lambda e: e.sign(e.claims(), OTHER), id="another key"),
        pytest.param(lambda e: e.sign(e.claims(), KEY, kid="unknown"), id="unknown key id"),
        pytest.param(unsigned, id="alg none"),
        pytest.param(
            lambda e: e.sign(e.claims(), OctKey.import_key("s" * 40), alg="HS256"),
            id="HMAC with the client secret",
        ),
        pytest.param(lambda e: "not a token", id="no token"),
        pytest.param(lambda e: None, id="absent"),
        pytest.param(lambda e: e.sign(e.claims(email_verified="true")), id="vouching as text"),
        pytest.param(lambda e: e.sign(e.claims(email=None)), id="no address"),
    ],
)
async def test_a_false_id_token_signs_nobody_in(
    kit: Kit, evil: Evil, make: Callable[[Evil], str]
) -> None:
    evil.make = make
    assert await sign_in(kit, evil) in FAILED
    session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
    assert session.status_code == 401


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)//auth?"},
        {"token_endpoint": None},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ],
)
async def test_a_document_that_lies_is_not_used(kit: Kit, evil: Evil, document: Claims) -> None:
    evil.document = document
    assert await sign_in(kit, evil) in FAILED


async def test_a_provider_that_is_down_ends_at_the_login_page(start_auth: StartAuth) -> None:
    provider = OidcProvider(
        name="evil",
        label="Evil",
        issuer="http://127.0.0.1:9",
        client_id=CLIENT,
        client_secret="s" * 40,
    )
    async with start_auth(oidc_providers=(provider,)) as kit:
        answer = await kit.http.get("/auth/oauth/evil/start")
        assert answer.headers["location"] == "/login#error=AUTH-014"
