"""Sign-in through a certified OpenID provider that really runs."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from netra_auth import OidcProvider, Registration
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import BASE_URL, PASSWORD, Kit, account_of
from netra_auth.tests.provider import (
    CLIENT_ID,
    RunningProvider,
    install,
    run_provider,
    sign_in_there,
)

pytestmark = [pytest.mark.integration, pytest.mark.process]
CALLBACK = "/auth/oauth/test/callback"
FAILED = "/login#error=AUTH-013"


@pytest.fixture(scope="session")
def provider(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProvider]:
    cache = getattr(pytestconfig, "cache", None)
    name = "apex-oidc-provider"
    folder = tmp_path_factory.mktemp(name) if cache is None else cache.mkdir(name)
    install(folder)
    with run_provider(folder, BASE_URL + CALLBACK) as running:
        yield running


@pytest.fixture
async def kit(start_auth: StartAuth, provider: RunningProvider) -> AsyncIterator[Kit]:
    other = OidcProvider(
        name="other",
        label="Other",
        issuer=provider.issuer + "/other",
        client_id=CLIENT_ID,
        client_secret="x",
    )
    options = {"oidc_providers": (provider.as_option(), other)}
    async with start_auth(real_time=True, **options) as running:
        yield running


async def depart(kit: Kit, next_path: str = "/chat") -> str:
    """Start a sign-in; where the browser is sent."""
    answer = await kit.http.get("/auth/oauth/test/start", params={"next": next_path})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def arrive(kit: Kit, back: str) -> str:
    """Follow the provider's redirect; where we send the browser then."""
    assert back.startswith(BASE_URL + CALLBACK + "?"), back
    answer = await kit.http.get(back.removeprefix(BASE_URL))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_signing_in_makes_an_account_and_a_browser_session(kit: Kit) -> None:
    start = await depart(kit)
    asked = parse_qs(urlsplit(start).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [BASE_URL + CALLBACK]
    assert asked["response_type"] == ["code"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    location = await arrive(kit, await sign_in_there(start, "ada"))
    assert location == "/chat"
    session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
    assert session.status_code == 200
    assert session.json()["user"] == {
        "id": session.json()["user"]["id"],
        "email": "ada@example.org",
        "name": "Person ada",
        "email_verified": True,
    }
    assert "refresh_token" not in session.json()


async def test_the_same_person_comes_back_to_the_same_account(kit: Kit) -> None:
    ids: set[str] = set()
    for _ in range(2):
        assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == "/chat"
        session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
        ids.add(session.json()["user"]["id"])
    assert len(ids) == 1


async def test_a_code_and_its_state_work_once(kit: Kit) -> None:
    back = await sign_in_there(await depart(kit), "ada")
    assert await arrive(kit, back) == "/chat"
    assert await arrive(kit, back) == FAILED


async def test_a_code_injected_into_another_sign_in_is_refused(kit: Kit) -> None:
    """PKCE and nonce bind a code to the sign-in that it was made for."""
    stolen = parse_qs(urlsplit(await sign_in_there(await depart(kit), "victim")).query)["code"][0]
    own = urlsplit(await sign_in_there(await depart(kit), "attacker"))
    mixed = {**{k: v[0] for k, v in parse_qs(own.query).items()}, "code": stolen}
    answer = await kit.http.get(CALLBACK, params=mixed)
    assert answer.headers["location"] == FAILED


async def test_an_answer_in_a_browser_that_did_not_ask_is_refused(kit: Kit) -> None:
    """Otherwise a victim could be signed in to an attacker's account."""
    back = await sign_in_there(await depart(kit), "attacker")
    async with kit.client("192.0.2.9") as victim:
        answer = await victim.get(back.removeprefix(BASE_URL))
    assert answer.headers["location"] == FAILED
    assert "apex_refresh" not in answer.headers.get("set-cookie", "")


async def test_an_answer_that_names_another_issuer_or_none_is_refused(kit: Kit) -> None:
    for issuer in ("https://evil.example", None):
        back = await sign_in_there(await depart(kit), "ada")
        query = {k: v[0] for k, v in parse_qs(urlsplit(back).query).items()}
        assert query.pop("iss")
        if issuer is not None:
            query["iss"] = issuer
        answer = await kit.http.get(CALLBACK, params=query)
        assert answer.headers["location"] == FAILED


async def test_an_answer_at_another_providers_address_is_refused(kit: Kit) -> None:
    back = await sign_in_there(await depart(kit), "ada")
    answer = await kit.http.get(back.removeprefix(BASE_URL).replace("/test/", "/other/"))
    assert answer.headers["location"] == FAILED


async def test_a_refusal_at_the_provider_ends_at_the_login_page(kit: Kit) -> None:
    state = parse_qs(urlsplit(await depart(kit)).query)["state"][0]
    answer = await kit.http.get(CALLBACK, params={"error": "access_denied", "state": state})
    assert answer.headers["location"] == FAILED


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/a\\b",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "/\t/evil.example",
        "",
    ],
)
async def test_only_paths_of_this_site_are_gone_on_to(kit: Kit, path: str) -> None:
    answer = await kit.http.get("/auth/oauth/test/start", params={"next": path})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_address_with_an_account_here_is_not_taken_over(kit: Kit) -> None:
    await kit.register("ada@example.org")
    assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == FAILED


async def test_an_address_that_the_provider_does_not_vouch_for_makes_no_account(
    kit: Kit,
) -> None:
    back = await sign_in_there(await depart(kit), "unproven-ada")
    assert await arrive(kit, back) == FAILED


async def test_linking_opens_the_own_account_and_unlinking_closes_that_way(kit: Kit) -> None:
    account = await kit.register("ada@example.org")
    begun = await kit.http.post(
        "/auth/oauth/test/link", json={"password": PASSWORD}, headers=account.headers
    )
    assert begun.status_code == 200, begun.text
    assert await arrive(kit, await sign_in_there(begun.json()["url"], "ada")) == "/"
    assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == "/chat"
    session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
    assert account_of(session.json()).user_id == account.user_id
    listed = (await kit.http.get("/auth/identities", headers=account.headers)).json()["items"]
    assert [item["provider"] for item in listed] == ["test"]
    path = f"/auth/identities/{listed[0]['id']}/unlink"
    refused = await kit.http.post(path, json={"password": "not it"}, headers=account.headers)
    assert refused.status_code == 401
    gone = await kit.http.post(path, json={"password": PASSWORD}, headers=account.headers)
    assert gone.status_code == 204
    assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == FAILED


async def test_the_only_way_in_cannot_be_unlinked(kit: Kit) -> None:
    await arrive(kit, await sign_in_there(await depart(kit), "ada"))
    session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
    headers = {"Authorization": f"Bearer {session.json()['access_token']}"}
    listed = (await kit.http.get("/auth/identities", headers=headers)).json()["items"]
    path = f"/auth/identities/{listed[0]['id']}/unlink"
    gone = await kit.http.post(path, json={}, headers=headers)
    assert gone.status_code == 409


async def test_linking_without_the_password_is_refused(kit: Kit) -> None:
    """A stolen access token must not become a lasting way in."""
    account = await kit.register("ada@example.org")
    for body in ({}, {"password": "not the password"}):
        begun = await kit.http.post("/auth/oauth/test/link", json=body, headers=account.headers)
        assert begun.status_code == 401


async def test_an_identity_of_somebody_else_is_not_linked_twice(kit: Kit) -> None:
    await arrive(kit, await sign_in_there(await depart(kit), "ada"))
    other = await kit.register("eve@example.org")
    begun = await kit.http.post(
        "/auth/oauth/test/link", json={"password": PASSWORD}, headers=other.headers
    )
    assert await arrive(kit, await sign_in_there(begun.json()["url"], "ada")) == FAILED


async def test_a_disabled_person_does_not_come_in_through_a_provider(kit: Kit) -> None:
    await arrive(kit, await sign_in_there(await depart(kit), "ada"))
    session = await kit.http.post("/auth/refresh", headers={"Origin": BASE_URL})
    user_id = account_of(session.json()).user_id
    await kit.parts.accounts.set_disabled(user_id, disabled=True, actor=None)
    assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == FAILED


async def test_no_token_ever_stands_in_an_address(kit: Kit) -> None:
    start = await depart(kit)
    back = await sign_in_there(start, "ada")
    location = await arrive(kit, back)
    for address in (start, back, location):
        assert "token" not in address
        assert "eyJ" not in address


async def test_a_closed_installation_takes_no_new_people_through_a_provider(
    start_auth: StartAuth, provider: RunningProvider
) -> None:
    options = {
        "oidc_providers": (provider.as_option(),),
        "registration": Registration.INVITE,
    }
    async with start_auth(real_time=True, **options) as kit:
        assert await arrive(kit, await sign_in_there(await depart(kit), "ada")) == FAILED
