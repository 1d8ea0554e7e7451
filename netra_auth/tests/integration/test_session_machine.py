"""Sessions under any order of honest use, theft, replay, revocation and clock moves."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from netra_auth import AuthDatabaseManager, AuthDeps, AuthFolders, AuthOptions, PasswordCost
from netra_auth.api import create_app
from netra_auth.errors import NotSignedIn
from netra_auth.tests.kit import BASE_URL, PASSWORD, Clock, Kit

GRACE = 10.0
IDLE, ABSOLUTE = 3_600, 20_000


@dataclass
class Model:
    """What the tester knows of one session."""

    tokens: list[str]
    access: str
    issued: float
    spent_at: list[float] = field(default_factory=list)
    absolute: float = 0.0
    idle: float = 0.0
    dead: bool = False


class Sessions(RuleBasedStateMachine):
    """The model says, independently of the code, what each presented token must lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.clock = Clock()
        self.latest = self.clock.now
        self.folder = tempfile.TemporaryDirectory()
        self.kit = self.loop.run_until_complete(self._start())
        self.sessions: list[Model] = []
        self.disabled = False
        self.user_id = self._run(self.kit.register("ada@example.com")).user_id

    async def _start(self) -> Kit:
        path = Path(self.folder.name)
        deps = AuthDeps(
            options=AuthOptions(
                password_cost=PasswordCost(time_cost=1, memory_kib=8),
                refresh_grace_s=GRACE,
                refresh_idle_ttl_s=IDLE,
                refresh_absolute_ttl_s=ABSOLUTE,
                access_ttl_s=10**6,
                key_publish_ahead_s=5,
            ),
            database=AuthDatabaseManager("sqlite+aiosqlite:///:memory:", testing=True),
            folders=AuthFolders(keys=path / "keys", outbox=path / "outbox"),
            clock=self.clock,
        )
        app = create_app(deps)
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        self.stack.push_async_callback(deps.database.dispose)
        http = await self.stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL)
        )
        return Kit(app=app, parts=app.state.parts, http=http, clock=self.clock)

    def _run(self, work):
        return self.loop.run_until_complete(work)

    async def _opens(self, access: str) -> bool:
        try:
            await self.kit.parts.sessions.authenticate(access)
        except NotSignedIn:
            return False
        return True

    def teardown(self) -> None:
        self._run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    @precondition(lambda self: len(self.sessions) < 4 and not self.disabled)
    @rule()
    def log_in(self) -> None:
        answer = self._run(
            self.kit.http.post(
                "/auth/login", json={"email": "ada@example.com", "password": PASSWORD}
            )
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        self.sessions.append(
            Model(
                tokens=[body["refresh_token"]],
                access=body["access_token"],
                issued=self.clock.now,
                absolute=self.clock.now + ABSOLUTE,
                idle=self.clock.now + IDLE,
            )
        )

    @precondition(lambda self: bool(self.sessions))
    @rule(data=st.data())
    def show_any_token_ever_issued(self, data: st.DataObject) -> None:
        """Honest use, theft and replay are the same act: someone shows a token."""
        model = data.draw(st.sampled_from(self.sessions))
        index = data.draw(st.integers(0, len(model.tokens) - 1))
        expected = self._expect(model, index)
        answer = self._run(self.kit.refresh(model.tokens[index]))
        now = self.clock.now
        if expected == "rotate":
            assert answer.status_code == 200, answer.text
            model.tokens.append(answer.json()["refresh_token"])
            model.access, model.issued = answer.json()["access_token"], now
            model.spent_at.append(now)
            model.idle = now + IDLE
        elif expected == "repeat":
            assert answer.status_code == 200, answer.text
            assert answer.json()["refresh_token"] == model.tokens[-1]
        else:
            assert answer.status_code == 401
            model.dead = True

    def _expect(self, model: Model, index: int) -> str:
        now, newest = self.clock.now, len(model.tokens) - 1
        if model.dead or self.disabled:
            return "refused"
        repeat = index == newest - 1 and -2.0 <= now - model.spent_at[index] <= GRACE
        if index != newest and not repeat:
            return "refused"
        if now >= min(model.idle, model.absolute):
            return "refused"
        return "rotate" if index == newest else "repeat"

    @precondition(lambda self: bool(self.sessions))
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.sessions))
        answer = self._run(
            self.kit.http.post("/auth/logout", json={"refresh_token": model.tokens[-1]})
        )
        assert answer.status_code == 204
        model.dead = True

    @rule()
    def rotate_the_signing_key(self) -> None:
        self.kit.parts.keys.rotate()

    @rule(disabled=st.booleans())
    def disable_or_enable(self, disabled: bool) -> None:
        self._run(self.kit.parts.accounts.set_disabled(self.user_id, disabled=disabled, actor=None))
        self.disabled = disabled
        if disabled:
            for model in self.sessions:
                model.dead = True

    @rule(seconds=st.sampled_from([0.5, 5, 9.9, 10.5, 60, 1_800, 3_600, -1, -30, -3_000]))
    def move_the_clock(self, seconds: float) -> None:
        self.clock.move(seconds)

    @invariant()
    def access_follows_the_session(self) -> None:
        """A dead session's access token opens nothing here; a live one's does."""
        for model in self.sessions:
            now = self.clock.now
            opens = not model.dead and model.issued <= now + 5 and now < int(model.absolute)
            assert self._run(self._opens(model.access)) == opens


def test_a_stolen_used_token_never_leaves_a_live_session_beyond_the_grace(
    full_counts: bool,
) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=400 if full_counts else 15,
            stateful_step_count=50 if full_counts else 25,
            deadline=None,
            # Shrinking this takes minutes; a failure shows its steps as they were.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
