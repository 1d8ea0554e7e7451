"""What every integration test stands on: an environment of its own, processes that end, waiting."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from netra_core.environment import IsolatedEnvironment, get_env
from netra_core.testing.waiting import eventually

T = TypeVar("T")


class BaseIntegrationTest:
    """Base of the integration suites; brings no server, which fixtures do.

    Each test gets `self.home` (an empty APEX_HOME) and `self.env` (an isolated environment with
    ENVIRONMENT=test, APEX_HOME and nothing else). Processes started with `start_process` are dead
    when the test is over, the process environment is as it was, and an asyncio task left running
    by a test fails it.
    """

    home: Path
    env: IsolatedEnvironment
    wait_s: ClassVar[float] = 20.0
    """How long `eventually` and process output are waited for before the test fails."""

    @pytest.fixture(autouse=True)
    def _own_world(self, tmp_path: Path) -> Generator[None]:
        self.home = tmp_path / "apex"
        self.home.mkdir()
        self.env = IsolatedEnvironment({"ENVIRONMENT": "test", "APEX_HOME": str(self.home)})
        self._processes: list[subprocess.Popen[str]] = []
        with get_env().isolated():
            yield
        for process in self._processes:
            _end(process)

    @pytest.fixture(autouse=True)
    async def _no_task_left(self) -> AsyncGenerator[None]:
        """Placed here so that the check runs in the loop of the test."""
        before = asyncio.all_tasks()
        yield
        left = [t for t in asyncio.all_tasks() - before if t is not asyncio.current_task()]
        assert not left, f"tasks left running: {sorted(t.get_name() for t in left)}"

    # -- waiting -------------------------------------------------------------------------------

    async def eventually(
        self,
        probe: Callable[[], T | Awaitable[T]],
        *,
        what: str = "the condition",
        within_s: float | None = None,
    ) -> T:
        """The first truthy answer of `probe`, asked again and again; fails the test by name."""
        return await eventually(probe, what=what, within_s=within_s or self.wait_s)

    # -- processes -----------------------------------------------------------------------------

    def start_process(
        self, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, **more: object
    ) -> subprocess.Popen[str]:
        """Starts `python *arguments` with this test's environment and `env`; it ends with the test.

        Standard input and output are pipes of text lines; standard error goes to the output.
        """
        base = {k: v for k, v in get_env().get_all().items() if k in ("PATH", "HOME", "LANG")}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env={**base, **self.env.get_subprocess_env(env)},
            **more,  # type: ignore[call-overload]
        )
        self._processes.append(process)
        return process

    @staticmethod
    def free_port() -> int:
        """A port of loopback that was free a moment ago; prefer port 0 where a server takes it."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return listener.getsockname()[1]

    # -- assertions ----------------------------------------------------------------------------

    @staticmethod
    def assert_no_secret(secrets: Iterable[str], *outputs: str | bytes) -> None:
        """Fails when any secret stands in any of the outputs; says which by number, not value."""
        texts = [o.decode("utf-8", "replace") if isinstance(o, bytes) else o for o in outputs]
        leaks = [
            f"secret {number} in output {place}"
            for number, secret in enumerate(secrets)
            for place, text in enumerate(texts)
            if secret in text
        ]
        assert not leaks, leaks


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait(timeout=10)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
