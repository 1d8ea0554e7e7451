"""Workspaces: exchange, members, roles, and nobody else's business."""

import re
from typing import Any

import pytest

from netra_auth.tests.kit import PASSWORD, Account, Kit

MEMBER_ROLES = ("admin", "analyst", "viewer")


@pytest.fixture
async def team(kit: Kit) -> dict[str, Account]:
    """A workspace with one person of each role, and a stranger."""
    owner = await kit.register("owner@example.com")
    people = {"owner": owner, "stranger": await kit.register("stranger@example.com")}
    for role in MEMBER_ROLES:
        people[role] = await kit.register(f"{role}@example.com")
        await kit.join(owner, people[role], role)
        kit.clock.move(60)
    return people


async def test_the_exchange_gives_a_token_of_the_other_workspace_and_refresh_stays_there(
    kit: Kit, team: dict[str, Account]
) -> None:
    viewer, there = team["viewer"], team["owner"].workspace_id
    answer = await kit.http.post(f"/auth/workspaces/{there}/token", headers=viewer.headers)
    assert answer.status_code == 200
    claims = kit.parts.tokens.verify(answer.json()["access_token"])
    assert (claims.ws, claims.roles, claims.sub) == (there, ["viewer"], viewer.user_id)
    refreshed = (await kit.refresh(viewer.refresh)).json()
    assert refreshed["workspace"] == {
        "id": there,
        "name": refreshed["workspace"]["name"],
        "role": "viewer",
    }


async def test_a_foreign_workspace_does_not_exist_on_any_route(
    kit: Kit, team: dict[str, Account]
) -> None:
    """Generated from the OpenAPI document: every route with an id, with ids of other people."""
    invited = await kit.http.post(
        f"/auth/workspaces/{team['owner'].workspace_id}/invitations",
        json={"email": "new@example.com", "role": "viewer"},
        headers=team["owner"].headers,
    )
    key = await kit.http.post(
        "/auth/api-keys",
        json={"name": "import", "scopes": ["usage:write"]},
        headers=team["owner"].headers,
    )
    sessions = await kit.http.get("/auth/sessions", headers=team["owner"].headers)
    foreign = {
        "workspace_id": team["owner"].workspace_id,
        "user_id": team["viewer"].user_id,
        "invitation_id": invited.json()["id"],
        "key_id": key.json()["id"],
        "session_id": sessions.json()["items"][0]["id"],
        "identity_id": "idn_0",
    }
    tried: list[str] = []
    for path, methods in kit.app.openapi()["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        if not names or "provider" in names:
            continue
        for method, operation in methods.items():
            body = BODIES.get((method, path))
            assert ("requestBody" not in operation) == (body is None), (method, path)
            answers = []
            for ids in (foreign, {**foreign, "workspace_id": "ws_0", "user_id": "usr_0"}):
                answer = await kit.http.request(
                    method.upper(), path.format(**ids), json=body, headers=team["stranger"].headers
                )
                answers.append((answer.status_code, answer.json()))
            assert answers[0][0] == 404, (method, path, answers)
            assert answers[0] == answers[1]
            tried.append(f"{method} {path}")
            kit.clock.move(10)
    assert len(tried) >= 11
    members = await kit.http.get(
        f"/auth/workspaces/{foreign['workspace_id']}/members", headers=team["owner"].headers
    )
    assert len(members.json()["items"]) == 4


BODIES: dict[tuple[str, str], Any] = {
    ("post", "/auth/identities/{identity_id}/unlink"): {"password": PASSWORD},
    ("patch", "/auth/workspaces/{workspace_id}"): {"name": "mine now"},
    ("patch", "/auth/workspaces/{workspace_id}/members/{user_id}"): {"role": "viewer"},
    ("post", "/auth/workspaces/{workspace_id}/invitations"): {
        "email": "x@example.com",
        "role": "viewer",
    },
}

ADMIN = {"owner", "admin"}
ALL = {"owner", "admin", "analyst", "viewer"}


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("GET", "", None, ALL),
        ("GET", "/members", None, ALL),
        ("PATCH", "", {"name": "Team"}, ADMIN),
        ("GET", "/invitations", None, ADMIN),
        ("POST", "/invitations", {"email": "n@example.com", "role": "viewer"}, ADMIN),
        ("POST", "/invitations", {"email": "n@example.com", "role": "owner"}, {"owner"}),
        ("PATCH", "/members/{viewer}", {"role": "analyst"}, ADMIN),
        ("PATCH", "/members/{viewer}", {"role": "owner"}, {"owner"}),
        ("PATCH", "/members/{owner}", {"role": "viewer"}, set()),
        ("DELETE", "/members/{owner}", None, set()),
        ("DELETE", "/members/{analyst}", None, {*ADMIN, "analyst"}),
        ("POST", "/token", None, ALL),
    ],
)
async def test_each_role_may_do_exactly_what_it_may(
    kit: Kit,
    team: dict[str, Account],
    method: str,
    path: str,
    body: dict[str, str] | None,
    allowed: set[str],
) -> None:
    place = f"/auth/workspaces/{team['owner'].workspace_id}"
    ids = {name: account.user_id for name, account in team.items()}
    for role in ("viewer", "analyst", "admin", "owner"):
        kit.clock.move(60)
        answer = await kit.http.request(
            method, place + path.format(**ids), json=body, headers=team[role].headers
        )
        if role in allowed:
            # Once done, the same act by a stronger role may find nothing left to do.
            assert answer.is_success or answer.status_code == 404, (role, answer.text)
        else:
            assert answer.status_code in {403, 409}, (role, answer.text)


async def test_a_change_of_role_is_told_and_works_at_once(
    kit: Kit, team: dict[str, Account]
) -> None:
    before = (await kit.changes())["last"]
    owner, viewer = team["owner"], team["viewer"]
    path = f"/auth/workspaces/{owner.workspace_id}/members/{viewer.user_id}"
    answer = await kit.http.patch(path, json={"role": "admin"}, headers=owner.headers)
    assert answer.status_code == 204
    (change,) = (await kit.changes(before))["changes"]
    assert change == {
        "id": before + 1,
        "kind": "membership_changed",
        "user_id": viewer.user_id,
        "workspace_id": owner.workspace_id,
        "at": kit.clock(),
    }
    renamed = await kit.http.patch(
        f"/auth/workspaces/{owner.workspace_id}", json={"name": "Ours"}, headers=viewer.headers
    )
    assert renamed.json()["name"] == "Ours"


async def test_a_removed_member_falls_back_to_another_workspace(
    kit: Kit, team: dict[str, Account]
) -> None:
    owner, viewer = team["owner"], team["viewer"]
    await kit.http.post(f"/auth/workspaces/{owner.workspace_id}/token", headers=viewer.headers)
    path = f"/auth/workspaces/{owner.workspace_id}/members/{viewer.user_id}"
    assert (await kit.http.delete(path, headers=owner.headers)).status_code == 204
    refreshed = await kit.refresh(viewer.refresh)
    assert refreshed.json()["workspace"]["id"] == viewer.workspace_id
    assert refreshed.json()["workspace"]["role"] == "owner"


async def test_the_last_owner_neither_leaves_nor_steps_down(kit: Kit) -> None:
    owner = await kit.register("ada@example.com")
    path = f"/auth/workspaces/{owner.workspace_id}/members/{owner.user_id}"
    assert (await kit.http.delete(path, headers=owner.headers)).status_code == 409
    down = await kit.http.patch(path, json={"role": "viewer"}, headers=owner.headers)
    assert down.status_code == 409


async def test_an_invitation_is_for_one_address_once_and_not_for_ever(kit: Kit) -> None:
    owner = await kit.register("ada@example.com")
    bob, eve = await kit.register("bob@example.com"), await kit.register("eve@example.com")
    path = f"/auth/workspaces/{owner.workspace_id}/invitations"

    async def invite() -> str:
        body = {"email": "bob@example.com", "role": "viewer"}
        assert (await kit.http.post(path, json=body, headers=owner.headers)).status_code == 201
        return (await kit.letters("bob@example.com"))[-1].token

    async def accept(account: Account, token: str) -> int:
        answer = await kit.http.post(
            "/auth/invitations/accept", json={"token": token}, headers=account.headers
        )
        return answer.status_code

    old, token = await invite(), await invite()
    assert await accept(bob, old) == 400
    assert await accept(eve, token) == 400
    assert await accept(bob, token) == 200
    assert await accept(bob, token) == 400
    kit.clock.move(60)
    token = await invite()
    listed = (await kit.http.get(path, headers=owner.headers)).json()["items"]
    gone = await kit.http.delete(f"{path}/{listed[0]['id']}", headers=owner.headers)
    assert gone.status_code == 204
    assert await accept(bob, token) == 400
    token = await invite()
    kit.clock.move(7 * 86_400)
    fresh = await kit.login("bob@example.com")
    assert await accept(fresh, token) == 400


async def test_a_person_owns_the_workspaces_they_make(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    kit.clock.move(1)
    made = await kit.http.post("/auth/workspaces", json={"name": "Lab"}, headers=account.headers)
    assert made.json() == {"id": made.json()["id"], "name": "Lab", "role": "owner"}
    listed = await kit.http.get("/auth/workspaces", headers=account.headers)
    assert [item["name"] for item in listed.json()["items"]] == ["ada's workspace", "Lab"]
