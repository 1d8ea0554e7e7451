"""Tokens, keys and revocations, against an auth service on a transport of the test's own."""

import hashlib
import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from netra_backend.errors import AuthUnavailableError, UnauthenticatedError
from netra_backend.identity import (
    KeySet,
    RevocationFeed,
    Revocations,
    SharedSecret,
    TokenRules,
    TokenVerifier,
)
from netra_backend.identity.revocations import Change
from netra_core.context import Role

RULES = TokenRules(issuer="https://auth.test", audience="netra-apex")


class AuthService:
    """Answers as the auth service does, or not at all."""

    def __init__(self) -> None:
        self.keys = {"k1": OKPKey.generate_key("Ed25519", {"kid": "k1", "alg": "Ed25519"})}
        self.up = True
        self.asked: list[str] = []
        self.feed: list[dict[str, Any]] = []
        self.last = 0

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://a")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if not self.up:
            raise httpx.ConnectError("down")
        if request.url.path.endswith("jwks.json"):
            keys = [key.as_dict(private=False) for key in self.keys.values()]
            return httpx.Response(200, json={"keys": keys})
        if request.url.path.endswith("changes"):
            after = int(request.url.params["after"])
            changes = [change for change in self.feed if change["id"] > after]
            return httpx.Response(200, json={"changes": changes, "last": self.last})
        return httpx.Response(200, json={"active": False})

    def token(self, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = time.time()
        body = {
            "iss": RULES.issuer,
            "aud": RULES.audience,
            "sub": "ada",
            "ws": "w1",
            "roles": ["analyst"],
            "sid": "s1",
            "jti": "j",
            "iat": now,
            "nbf": int(now),
            "exp": int(now) + 600,
            **claims,
        }
        head = {"alg": "Ed25519", "typ": "at+jwt", "kid": "k1", **(header or {})}
        signer = key or self.keys["k1"]
        return jwt.encode(head, body, signer, algorithms=[head["alg"]])


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self) -> None:
        self.auth = AuthService()
        self.clock = Clock()
        self.revocations = Revocations(monotonic=self.clock)
        self.revocations.current()
        self.client = self.auth.client()
        self.verifier = TokenVerifier(
            keys=KeySet(self.client, monotonic=self.clock),
            revocations=self.revocations,
            rules=RULES,
            client=self.client,
            credential="c",
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_a_good_token_names_who_asks(world: World) -> None:
    identity = await world.verifier.identify(world.auth.token())
    assert (identity.user_id, identity.workspace_id, identity.session_id) == ("ada", "w1", "s1")
    assert identity.roles == frozenset({Role.ANALYST})
    assert identity.scopes is None


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"iss": "https://other.test"}),
        ({}, {"aud": "other"}),
        ({}, {"exp": 1}),
        ({}, {"roles": ["emperor"]}),
        ({}, {"sid": None}),
        ({"typ": "JWT"}, {}),
        ({"kid": "unknown"}, {}),
        ({"jku": "https://evil.test/keys"}, {}),
    ],
)
async def test_a_token_that_says_anything_else_is_refused(
    world: World, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises(UnauthenticatedError):
        await world.verifier.identify(world.auth.token(header=header, **claims))


async def test_a_token_signed_by_another_key_or_algorithm_is_refused(world: World) -> None:
    other = OKPKey.generate_key("Ed25519", {"kid": "k1"})
    secret = OctKey.generate_key(256, {"kid": "k1"})
    for token in (
        world.auth.token(key=other),
        world.auth.token(key=secret, header={"alg": "HS256"}),
        "",
        "a.b.c",
    ):
        with pytest.raises(UnauthenticatedError):
            await world.verifier.identify(token)


async def test_a_rotated_key_is_found_and_made_up_ids_are_not_asked_for_again_and_again(
    world: World,
) -> None:
    await world.verifier.identify(world.auth.token())
    world.auth.keys["k2"] = OKPKey.generate_key("Ed25519", {"kid": "k2", "alg": "Ed25519"})
    world.clock.now += 3
    rotated = world.auth.token(key=world.auth.keys["k2"], header={"kid": "k2"})
    assert (await world.verifier.identify(rotated)).user_id == "ada"
    for number in range(50):
        with pytest.raises(UnauthenticatedError):
            await world.verifier.identify(world.auth.token(header={"kid": f"made-up-{number}"}))
    assert world.auth.asked.count("/.well-known/jwks.json") == 2


async def test_old_keys_are_trusted_for_an_hour_without_the_auth_service(world: World) -> None:
    await world.verifier.identify(world.auth.token())
    world.auth.up = False
    world.clock.now += 3000
    world.revocations.current()
    assert (await world.verifier.identify(world.auth.token())).user_id == "ada"
    world.clock.now += 700
    world.revocations.current()
    with pytest.raises(AuthUnavailableError):
        await world.verifier.identify(world.auth.token())


async def test_everybody_is_refused_while_revocations_are_unknown(world: World) -> None:
    world.clock.now += 10.5
    with pytest.raises(AuthUnavailableError) as refused:
        await world.verifier.identify(world.auth.token())
    assert refused.value.retryable


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"kind": "session_revoked", "session_id": "s1"}, True),
        ({"kind": "session_revoked", "session_id": "s2"}, False),
        ({"kind": "user_disabled"}, True),
        ({"kind": "membership_changed", "workspace_id": "w1"}, True),
        ({"kind": "membership_changed", "workspace_id": "w2"}, False),
    ],
)
async def test_what_was_taken_back_is_refused_and_nothing_else(
    world: World, change: dict[str, str], refused: bool
) -> None:
    token = world.auth.token()
    fields: dict[str, Any] = {"id": 1, "user_id": "ada", "at": time.time() + 1, **change}
    world.revocations.apply(Change(**fields))
    if refused:
        with pytest.raises(UnauthenticatedError):
            await world.verifier.identify(token)
    else:
        assert (await world.verifier.identify(token)).user_id == "ada"


async def test_a_token_from_after_a_change_of_rights_is_good(world: World) -> None:
    at = time.time()
    world.revocations.apply(
        Change(id=1, kind="membership_changed", user_id="ada", workspace_id="w1", at=at)
    )
    identity = await world.verifier.identify(world.auth.token(iat=at + 0.001))
    assert identity.user_id == "ada"


async def test_the_feed_is_current_only_once_it_was_read_to_its_end(world: World) -> None:
    seen: list[int] = []

    async def on_change(change: Change) -> None:
        seen.append(change.id)

    revocations = Revocations(monotonic=world.clock)
    feed = RevocationFeed(world.client, revocations, credential="c", on_change=on_change)
    world.auth.feed = [
        {"id": n, "kind": "session_revoked", "user_id": "u", "session_id": f"s{n}", "at": 1.0}
        for n in (1, 2)
    ]
    world.auth.last = 2
    states = [revocations.stale]
    for _ in range(2):
        await feed.poll(wait_s=0)
        states.append(revocations.stale)
    assert states == [True, True, False]
    assert seen == [1, 2]


async def test_a_feed_that_was_reset_is_read_anew_before_anybody_is_let_in(world: World) -> None:
    async def on_change(change: Change) -> None:
        return

    revocations = Revocations(monotonic=world.clock)
    feed = RevocationFeed(world.client, revocations, credential="c", on_change=on_change)
    world.auth.last = 7
    await feed.poll(wait_s=0)
    world.auth.last = 3
    await feed.poll(wait_s=0)
    reset = revocations.stale
    await feed.poll(wait_s=0)
    assert (reset, revocations.stale) == (True, False)


async def test_with_a_shared_secret_only_tokens_of_that_secret_are_good(world: World) -> None:
    secret = "a shared secret of more than thirty-two characters"
    rules = TokenRules(
        issuer=RULES.issuer, audience=RULES.audience, algorithm="HS256", secret=secret
    )
    verifier = TokenVerifier(
        keys=SharedSecret(secret),
        revocations=world.revocations,
        rules=rules,
        client=world.client,
        credential="c",
    )
    kid = "hs-" + hashlib.sha256(secret.encode()).hexdigest()[:16]
    header = {"alg": "HS256", "kid": kid}
    good = world.auth.token(key=OctKey.import_key(secret), header=header)
    other = world.auth.token(key=OctKey.generate_key(256), header=header)
    assert (await verifier.identify(good)).user_id == "ada"
    for token in (other, world.auth.token()):
        with pytest.raises(UnauthenticatedError):
            await verifier.identify(token)
    assert "shared secret" not in repr(rules)
