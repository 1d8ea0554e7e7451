"""/api/config over a real server: operators, owners, and every operation of the command."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from netra_backend.tests.kit import stack
from netra_core.configuration import UnifiedConfigurationManager, open_configuration
from netra_core.environment import MASK, IsolatedEnvironment
from netra_core.testing.configurations import made_up_secret


@dataclass(frozen=True)
class Signed:
    """Someone signed in."""

    http: httpx.AsyncClient
    user_id: str


@dataclass(frozen=True)
class Served:
    """A platform that is served, and what is closed with it."""

    url: str
    exits: AsyncExitStack


@asynccontextmanager
async def served(
    home: Path, configuration: UnifiedConfigurationManager | None = None
) -> AsyncGenerator[Served]:
    async with (
        stack(home, change=lambda deps: replace(deps, configuration=configuration)) as platform,
        AsyncExitStack() as exits,
    ):
        yield Served(platform.server.url, exits)


@asynccontextmanager
async def configured(
    home: Path, **variables: str
) -> AsyncGenerator[tuple[Served, UnifiedConfigurationManager]]:
    """A platform with a stored configuration."""
    env = IsolatedEnvironment({"ENVIRONMENT": "test", "APEX_HOME": str(home), **variables})
    manager = open_configuration(env, service="backend")
    async with served(home, manager) as platform:
        yield platform, manager
    manager.close()


async def people(platform: Served, *names: str) -> list[Signed]:
    """People who have just registered."""
    signed: list[Signed] = []
    for name in names:
        http = httpx.AsyncClient(base_url=platform.url, timeout=30)
        await platform.exits.enter_async_context(http)
        body = {"email": f"{name}@example.com", "password": f"correct horse {name} staple 9"}
        answer = (await http.post("/auth/register", json=body)).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        signed.append(Signed(http, answer["user"]["id"]))
    return signed


async def put(person: Signed, key: str, value: object, **query: str) -> httpx.Response:
    return await person.http.put(f"/api/config/keys/{key}", json={"value": value}, params=query)


async def test_an_operator_shows_explains_changes_and_takes_back(tmp_path: Path) -> None:
    async with configured(tmp_path) as (platform, manager):
        (ada,) = await people(platform, "ada")
        listed = (await ada.http.get("/api/config")).json()
        assert {item["key"] for item in listed["items"]} == set(manager.keys())
        changed = (await put(ada, "runs.max_per_user", 7)).json()
        assert (changed["revision"], changed["changed"]) == (1, ["runs.max_per_user"])
        assert manager.settings.runs.max_per_user == 7, "live in the process that serves"
        await put(ada, "runs.max_per_user", 9)
        explained = (await ada.http.get("/api/config/keys/runs.max_per_user")).json()
        assert (explained["value"], explained["previous"], explained["actor"]) == (
            9,
            7,
            ada.user_id,
        )
        difference = (await ada.http.get("/api/config/diff", params={"a": 1})).json()["items"]
        assert [(d["previous"], d["current"]) for d in difference] == [(7, 9)]
        back = await ada.http.post("/api/config/rollback", json={"revision": 1})
        assert back.json()["revision"] == 3 and manager.get("runs.max_per_user") == 7
        history = (await ada.http.get("/api/config/history", params={"verify": "true"})).json()
        assert [row["action"] for row in history["items"]] == ["rollback", "set", "set"]
        assert history["altered"] == []
        impact = await ada.http.get("/api/config/keys/runs.max_per_user/impact")
        assert (impact.json()["now"], impact.json()["afterwards"]) == (7, 3)
        gone = await ada.http.delete("/api/config/keys/runs.max_per_user")
        assert gone.json()["changed"] == ["runs.max_per_user"]
        assert (await ada.http.get("/api/config/docs")).text.startswith("# Configuration")


async def test_a_change_made_here_is_live_on_every_node_that_shares_the_store(
    tmp_path: Path,
) -> None:
    async with configured(tmp_path, APEX_CONFIG_POLL_S="0.05") as (platform, manager):
        (ada,) = await people(platform, "ada")
        other = open_configuration(
            IsolatedEnvironment(
                {"ENVIRONMENT": "test", "APEX_HOME": str(tmp_path), "APEX_CONFIG_POLL_S": "0.05"}
            )
        )
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        other.add_listener(lambda _: loop.call_soon_threadsafe(changed.set), keys=["llm.model"])
        with other.watch():
            await put(ada, "llm.model", "gpt-5")
            await changed.wait()
        assert other.get("llm.model") == manager.get("llm.model") == "gpt-5"


async def test_secrets_are_masked_and_travel_in_backups_alone(tmp_path: Path) -> None:
    secret, service_secret = made_up_secret("openai"), made_up_secret("service")
    async with configured(tmp_path, SERVICE_SECRET=service_secret) as (platform, manager):
        (ada,) = await people(platform, "ada")
        shown = await ada.http.get("/api/config")
        values = {item["key"]: item["value"] for item in shown.json()["items"]}
        assert values["auth.service_secret"] == MASK and service_secret not in shown.text
        await put(ada, "llm.openai_api_key", secret)
        backup = await ada.http.post("/api/config/backup")
        assert secret not in backup.text
        await ada.http.delete("/api/config/keys/llm.openai_api_key")
        restored = await ada.http.post("/api/config/restore", content=backup.content)
        assert restored.json()["changed"] == ["llm.openai_api_key"]
        assert manager.get_secret("llm.openai_api_key") == secret
        refused = await ada.http.post("/api/config/restore", content=b"{}")
        assert (refused.status_code, refused.json()["code"]) == (422, "CFG-019")


async def test_bad_changes_are_problems_and_change_nothing(tmp_path: Path) -> None:
    async with configured(tmp_path) as (platform, manager):
        (ada,) = await people(platform, "ada")
        answers = [
            await put(ada, "http.prot", 1),
            await put(ada, "http.port", "planted-value"),
            await put(ada, "paths.home", "/planted"),
            await put(ada, "llm.model", "x", scope="user", owner="../a:b"),
            await ada.http.post("/api/config/rollback", json={"revision": 99}),
        ]
        assert [(a.status_code, a.json()["code"]) for a in answers] == [
            (404, "CFG-010"),
            (422, "CFG-011"),
            (422, "CFG-015"),
            (422, "CFG-015"),
            (404, "CFG-016"),
        ]
        assert "Did you mean 'http.port'" in answers[0].json()["hint"]
        assert "http.port (database)" in answers[1].json()["detail"]
        assert not any("planted-value" in a.text for a in answers)
        assert manager.revision == 0


async def test_a_name_in_the_query_that_is_none_is_refused_and_nothing_is_set(
    tmp_path: Path,
) -> None:
    async with configured(tmp_path) as (platform, manager):
        (ada,) = await people(platform, "ada")
        answer = await put(ada, "runs.max_per_user", 7, whose="workspace")
        assert (answer.status_code, answer.json()["code"]) == (422, "API-422")
        assert "'whose'" in answer.json()["detail"] and "scope" in answer.json()["hint"]
        refused = await ada.http.get("/api/config", params={"owners": "w"})
        assert (refused.status_code, manager.revision) == (422, 0)
        history = await ada.http.get("/api/config/history", params={"limit": 1})
        assert history.status_code == 200


async def test_people_who_are_no_operators_reach_only_what_is_theirs(tmp_path: Path) -> None:
    async with configured(tmp_path, APEX_OPERATORS="somebody-else") as (platform, manager):
        ada, bob = await people(platform, "ada", "bob")
        operator_only = [
            await ada.http.get("/api/config"),
            await put(ada, "llm.model", "x"),
            await put(ada, "llm.model", "x", scope="user", owner=bob.user_id),
            await ada.http.get("/api/config/history", params={"scope": "user"}),
            await ada.http.post("/api/config/reload", params={"scope": "user"}),
            await ada.http.post("/api/config/backup", params={"scope": "workspace"}),
        ]
        assert {a.status_code for a in operator_only} == {403}
        raised = await put(ada, "runs.max_per_user", 500, scope="user")
        unknown = await put(ada, "no.such.key", 500, scope="user")
        assert (raised.status_code, unknown.status_code) == (404, 404)
        assert (await put(ada, "llm.model", "hers", scope="user")).status_code == 200
        assert (await put(ada, "llm.model", "theirs", scope="workspace")).status_code == 200
        mine = (await ada.http.get("/api/config", params={"scope": "user"})).json()["items"]
        assert {i["key"]: i["value"] for i in mine}["llm.model"] == "hers"
        assert {i["key"].split(".")[0] for i in mine} == {"llm"}
        his = (await bob.http.get("/api/config", params={"scope": "user"})).json()["items"]
        assert {i["key"]: i["value"] for i in his}["llm.model"] is None
        assert manager.get("llm.model") is None
        async with httpx.AsyncClient(base_url=platform.url) as nobody:
            assert (await nobody.get("/api/config")).status_code == 401


async def test_readiness_turns_false_until_a_refused_reload_is_mended(tmp_path: Path) -> None:
    async with configured(tmp_path) as (platform, manager):
        (ada,) = await people(platform, "ada")
        file = tmp_path / "apex.toml"
        file.write_text("[runs]\nmax_total = 'many'\n")
        refused = await ada.http.post("/api/config/reload")
        assert (refused.status_code, refused.json()["code"]) == (422, "CFG-011")
        ready = await ada.http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        check = (await ada.http.get("/api/config/check")).json()
        assert (check["ready"], check["items"][0]["key"]) == (False, "runs.max_total")
        file.write_text("[runs]\nmax_total = 9\n")
        assert (await ada.http.post("/api/config/reload")).status_code == 200
        assert (await ada.http.get("/health/ready")).status_code == 200
        assert manager.settings.runs.max_total == 9


async def test_a_service_without_a_stored_configuration_answers_404(tmp_path: Path) -> None:
    async with served(tmp_path) as platform:
        (ada,) = await people(platform, "ada")
        for path in ("", "/keys/http.port", "/history", "/check"):
            assert (await ada.http.get(f"/api/config{path}")).status_code == 404
