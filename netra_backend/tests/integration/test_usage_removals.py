"""Usage goes for good: by age, on request, with its workspace; nobody else's goes with it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from netra_backend.dependencies import BackendDependencies
from netra_backend.tests.kit import Clock, Person, person, stack

pytestmark = pytest.mark.integration
DAYS = 10


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A call at noon of each of the last ten days, the newest today; every other one of ada's."""
    path = tmp_path / "calls.csv"
    rows = ["timestamp,model,input_tokens,output_tokens,user"]
    rows += [f"{noon(ago):%Y-%m-%dT%H:%M:%SZ},gpt-4o,10,1,u-{ago % 2}" for ago in range(DAYS)]
    path.write_text("\n".join(rows) + "\n")
    return path


def noon(days_ago: int) -> datetime:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


async def count(someone: Person) -> int:
    return (await someone.http.get("/api/usage/summary")).json()["requests"]


async def removals(someone: Person) -> list[dict[str, Any]]:
    return (await someone.http.get("/api/usage/removals")).json()["items"]


async def ended(someone: Person, number: int = 1) -> dict[str, Any]:
    """The newest of so many removals, once it has ended."""
    while True:
        found = await removals(someone)
        if len(found) == number and found[0]["status"] not in ("queued", "running"):
            return found[0]


def keeping(days: int) -> Callable[[BackendDependencies], BackendDependencies]:
    return lambda deps: replace(deps, options=replace(deps.options, keep_days=days))


async def test_calls_are_kept_for_ever_until_a_setting_says_how_long(
    tmp_path: Path, calls: Path
) -> None:
    clock = Clock()
    async with stack(tmp_path / "home", clock=clock) as made:
        async with person(made.url, "keeps") as ada:
            await ada.upload(calls)
            await made.platform.removals.sweep()
            kept = (await ada.http.get("/api/usage/retention")).json()
            assert kept == {"keep_days": None, "kept_since": None, "calls_due": 0}
            assert (await removals(ada), await count(ada)) == ([], DAYS)
    async with stack(tmp_path / "home", clock=clock, change=keeping(3)) as made:
        async with person(made.url, "keeps", how="login") as ada:
            gone = await ended(ada)
            assert (gone["kind"], gone["status"], gone["asked_by"]) == (
                "retention",
                "completed",
                None,
            )
            assert [gone[f"calls_{when}"] for when in ("before", "removed", "after")] == [10, 6, 4]
            assert gone["first_removed"][:10] == f"{noon(9):%Y-%m-%d}"
            assert gone["last_removed"][:10] == f"{noon(4):%Y-%m-%d}"
            first = (await ada.http.get("/api/usage/summary")).json()["first"]
            assert (first[:10], await count(ada)) == (f"{noon(3):%Y-%m-%d}", 4)
            await made.platform.removals.sweep()
            assert len(await removals(ada)) == 1
            clock.ahead = timedelta(days=1)
        async with person(made.url, "keeps", how="login") as ada:
            due = (await ada.http.get("/api/usage/retention")).json()
            assert (due["keep_days"], due["calls_due"]) == (3, 1)
            await made.platform.removals.sweep()
            assert (await ended(ada, 2))["calls_removed"] == 1
            assert await count(ada) == 3


async def test_what_is_asked_for_goes_and_nothing_of_anybody_else(
    tmp_path: Path, calls: Path
) -> None:
    async with (
        stack(tmp_path / "home") as made,
        person(made.url, "asks") as ada,
        person(made.url, "other") as eve,
    ):
        await ada.upload(calls)
        await eve.upload(calls)
        begun = await ada.http.post("/api/usage/erase", json={"user": "u-1"})
        assert (begun.status_code, begun.json()["asked_by"]) == (202, ada.user_id)
        gone = await ended(ada)
        assert (gone["kind"], gone["chosen"]) == ("request", {"user": "u-1"})
        assert (gone["calls_before"], gone["calls_removed"], gone["calls_after"]) == (10, 5, 5)
        users = (await ada.http.get("/api/usage/breakdown?by=user")).json()["items"]
        assert [row["key"] for row in users] == ["u-0"]
        again = await ada.http.post("/api/usage/erase", json={"everything": True})
        whole = await ended(ada, 2)
        assert (again.status_code, whole["calls_removed"], await count(ada)) == (202, 5, 0)
        assert (await count(eve), await removals(eve)) == (DAYS, [])
        theirs = await eve.http.get(f"/api/usage/removals/{gone['removal_id']}")
        assert theirs.status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "API-422"),
        ({"user": "u-1", "everything": True}, "API-422"),
        ({"feture": "x"}, "API-422"),
        ({"from": "yesterday"}, "API-422"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "API-422"),
    ],
)
async def test_a_request_that_cannot_be_meant_removes_nothing(
    tmp_path: Path, calls: Path, body: dict[str, Any], code: str
) -> None:
    async with stack(tmp_path / "home") as made, person(made.url, "slips") as ada:
        await ada.upload(calls)
        refused = await ada.http.post("/api/usage/erase", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert (await removals(ada), await count(ada)) == ([], DAYS)


async def test_an_analyst_may_not_erase_and_a_key_brings_nothing_once_its_maker_is_a_viewer(
    tmp_path: Path, calls: Path
) -> None:
    async with stack(tmp_path / "home") as made, person(made.url, "boss") as ada:
        await ada.upload(calls)
        async with person(made.url, "analyst") as bob:
            asked = {"email": "analyst@example.com", "role": "analyst"}
            path = f"/auth/workspaces/{ada.workspace_id}"
            invited = await ada.http.post(f"{path}/invitations", json=asked)
            assert invited.status_code == 201, invited.text
            outbox = made.platform.options.uploads.parent / "outbox"
            while not (token := invitation_in(outbox)):
                await bob.http.get("/auth/me")  # it is mailed in the background
            await bob.http.post("/auth/invitations/accept", json={"token": token})
            there = (await bob.http.post(f"{path}/token")).json()["access_token"]
            headers = {"Authorization": f"Bearer {there}"}
            refused = await bob.http.post(
                "/api/usage/erase", json={"everything": True}, headers=headers
            )
            wanted = {"name": "k", "scopes": ["usage:write"]}
            key = (await bob.http.post("/auth/api-keys", json=wanted, headers=headers)).json()[
                "key"
            ]
            demoted = await ada.http.patch(f"{path}/members/{bob.user_id}", json={"role": "viewer"})
            assert demoted.status_code == 204, demoted.text
            brought = await bob.http.post(
                "/v1/traces",
                json={"resourceSpans": []},
                headers={"Authorization": f"Bearer {key}"},
            )
        assert (brought.status_code, brought.json()["code"]) == (403, "API-403")
        assert (refused.status_code, refused.json()["code"]) == (403, "API-403")
        assert await count(ada) == DAYS


def invitation_in(outbox: Path) -> str:
    """The token of the one invitation that was mailed; empty until it is."""
    letters = [letter.read_text() for letter in outbox.iterdir()]
    found = [re.search(r"invit\S*?[#?/=]([A-Za-z0-9_-]{20,})", letter) for letter in letters]
    return next((match[1] for match in found if match), "")
