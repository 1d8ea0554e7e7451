"""Browser sessions by cookie: no script reads them, no other site uses them."""

from http.cookies import Morsel, SimpleCookie

import httpx
import pytest

from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import BASE_URL, PASSWORD, Kit

OWN = {"Origin": BASE_URL}


async def sign_in(kit: Kit) -> httpx.Response:
    return await kit.http.post(
        "/auth/register?cookie=1",
        json={"email": "ada@example.com", "password": PASSWORD},
        headers=OWN,
    )


def cookie(answer: httpx.Response, name: str) -> Morsel[str]:
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return jar[name]


async def test_the_refresh_token_goes_into_a_strict_http_only_cookie_and_not_the_body(
    kit: Kit,
) -> None:
    answer = await sign_in(kit)
    assert answer.status_code == 201
    assert "refresh_token" not in answer.json()
    morsel = cookie(answer, "apex_refresh")
    assert morsel["httponly"] is True
    assert morsel["samesite"].lower() == "strict"
    assert morsel["path"] == "/auth"
    assert morsel["domain"] == ""


@pytest.mark.parametrize("secure", [True, False])
async def test_cookies_are_secure_unless_on_plain_http_loopback(
    start_auth: StartAuth, secure: bool
) -> None:
    async with start_auth(secure_cookies=secure) as kit:
        answer = await sign_in(kit)
        for name in ("apex_refresh", "apex_device"):
            assert bool(cookie(answer, name)["secure"]) is secure


async def test_a_page_of_ours_refreshes_and_logs_out_by_cookie(kit: Kit) -> None:
    first = (await sign_in(kit)).cookies["apex_refresh"]
    answer = await kit.http.post("/auth/refresh", headers=OWN)
    assert answer.status_code == 200
    assert answer.cookies["apex_refresh"] != first
    out = await kit.http.post("/auth/logout", headers=OWN)
    assert out.status_code == 204
    assert cookie(out, "apex_refresh")["max-age"] == "0"
    without = await kit.http.post("/auth/refresh", headers=OWN)
    assert (without.status_code, without.json()["code"]) == (401, "AUTH-003")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": BASE_URL + ".evil.example"},
        {"Origin": BASE_URL + ":81"},
        {"Origin": "https://apex.example"},
        {"Origin": "http://localhost:9"},
        {"Origin": ""},
        {},
        {"Referer": BASE_URL},
        {"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "localhost:8000", "Origin": "http://localhost:8001"},
    ],
)
async def test_a_request_from_elsewhere_cannot_act_by_cookie(
    kit: Kit, headers: dict[str, str]
) -> None:
    await sign_in(kit)
    for path in ("/auth/refresh", "/auth/logout"):
        answer = await kit.http.post(path, headers=headers)
        if "Host" not in headers:  # the test's jar keeps the cookie for its own host
            assert answer.status_code == 403, path
            assert answer.json()["code"] == "AUTH-010"
    assert (await kit.http.post("/auth/refresh", headers=OWN)).status_code == 200


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
async def test_a_page_of_another_site_cannot_sign_a_browser_in(kit: Kit, path: str) -> None:
    """Otherwise a victim would work, unknowing, in an attacker's account."""
    answer = await kit.http.post(
        f"{path}?cookie=1",
        json={"email": "ada@example.com", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_client_without_origin_says_who_it_is_by_a_header(kit: Kit) -> None:
    await sign_in(kit)
    answer = await kit.http.post("/auth/refresh", headers={"X-Apex-Request": "1"})
    assert answer.status_code == 200


async def test_loopback_is_an_origin_in_development_alone(start_auth: StartAuth) -> None:
    headers = {"Host": "localhost:8123", "Origin": "http://localhost:8123"}
    body = {"email": "ada@example.com", "password": PASSWORD}
    async with start_auth() as kit:
        allowed = await kit.http.post("/auth/register?cookie=1", json=body, headers=headers)
        assert allowed.status_code == 201
    async with start_auth(trust_loopback_origins=False) as kit:
        refused = await kit.http.post("/auth/register?cookie=1", json=body, headers=headers)
        assert refused.status_code == 403


async def test_a_rebound_host_name_is_no_origin(kit: Kit) -> None:
    headers = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    body = {"email": "ada@example.com", "password": PASSWORD}
    answer = await kit.http.post("/auth/register?cookie=1", json=body, headers=headers)
    assert answer.status_code == 403


async def test_other_origins_get_cors_only_where_they_are_listed(start_auth: StartAuth) -> None:
    app_origin = "https://app.example"
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with start_auth(cors_origins=(app_origin,)) as kit:
        allowed = await kit.http.options("/auth/login", headers={**ask, "Origin": app_origin})
        assert allowed.headers["access-control-allow-origin"] == app_origin
        assert allowed.headers["access-control-allow-credentials"] == "true"
        for origin in ("https://evil.example", "null", app_origin + ".evil.example"):
            refused = await kit.http.options("/auth/login", headers={**ask, "Origin": origin})
            assert "access-control-allow-origin" not in refused.headers
    async with start_auth() as kit:
        closed = await kit.http.options("/auth/login", headers={**ask, "Origin": app_origin})
        assert "access-control-allow-origin" not in closed.headers


async def test_answers_stay_out_of_caches_and_frames(kit: Kit) -> None:
    answer = await sign_in(kit)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_spoofed_headers_name_nobody(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    spoofed = {
        "X-User-ID": account.user_id,
        "X-Workspace-ID": account.workspace_id,
        "X-Forwarded-User": account.email,
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "X-Remote-User": account.email,
    }
    assert (await kit.http.get("/auth/me", headers=spoofed)).status_code == 401
    other = await kit.register("eve@example.com")
    mixed = await kit.http.get("/auth/me", headers={**spoofed, **other.headers})
    assert mixed.json()["user"]["id"] == other.user_id
    assert mixed.json()["workspace"]["id"] == other.workspace_id
