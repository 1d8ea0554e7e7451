"""A browser, a server that can be killed, and a workload to bring: what the browser tests share.

Where no Chromium is found the tests that ask for one are skipped, each by its name.
"""

import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from netra_apex.build_web import build, frontend_folder
from netra_apex.web_files import default_folder
from netra_optimizer.generate import demo_scenario, generate_workload, scaled, write_workload

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery staple"
WAIT_MS = 60_000
SIGNED_IN = "location.protocol === 'http:' && localStorage.setItem('apex.session', '1')"
SERVER_AWAY = (
    "ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|ERR_CONTENT_LENGTH_MISMATCH|"
    "WebSocket connection to"
)
"""What a browser's console says of a server killed before, or in the middle of, an answer."""


class ApexServer:
    """`apex serve` in a process of its own, on one folder and one port, however often it dies.

    `program` is what serves; it takes the options of `apex serve`.
    """

    def __init__(self, home: Path, program: Sequence[str] = ("-m", "netra_apex", "serve")) -> None:
        self._home = home
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        options = ["--port", str(self.port), "--home", str(self._home)]
        self._process = subprocess.Popen(
            [sys.executable, *self._program, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said: list[str] = []
        for line in self._process.stdout:
            said.append(line)
            if line.startswith("Apex is ready on "):
                self.port = int(line.split()[4].rsplit(":", 1)[1])
                break
        self._reader = threading.Thread(target=self._keep, args=(self._process.stdout,))
        self._reader.start()
        if not said or not said[-1].startswith("Apex is ready"):
            self._ended()
            raise AssertionError("the server did not start:\n" + "".join(said[-30:]))

    def kill(self) -> None:
        """kill -9: no farewell, nothing flushed."""
        assert self._process is not None
        self._process.kill()
        self._ended()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._ended()

    @contextmanager
    def held(self, *, at: str) -> Generator[None]:
        """Runs stand still between two steps from the next start of agent `at` until this ends.

        Another writer has the file in which finished steps are recorded, so no step ends and none
        begins; all else goes on. Enter before asking: a browser sees an agent too late to hold it.
        """
        begun = self._starts_of(at)
        over, held = threading.Event(), threading.Event()

        def hold() -> None:
            while self._starts_of(at) == begun:
                if over.wait(0.002):
                    return
            path = self._home / "dbos.sqlite"
            with closing(sqlite3.connect(path, timeout=WAIT_MS, isolation_level=None)) as steps:
                steps.execute("BEGIN IMMEDIATE")
                held.set()
                over.wait()
                steps.execute("ROLLBACK")

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            yield
            assert held.is_set(), f"{at} never started: nothing was held"
        finally:
            over.set()
            holder.join()

    def _starts_of(self, agent: str) -> int:
        with closing(sqlite3.connect(self._home / "platform.sqlite", timeout=WAIT_MS)) as log:
            wanted = "SELECT count(*) FROM events WHERE type = 'agent_started' AND agent_name = ?"
            (count,) = log.execute(wanted, (agent,)).fetchone()
            return int(count)

    def _keep(self, said: TextIO) -> None:
        """Keep what the server says beside its data, for whoever looks why a test failed."""
        with (self._home / "server.log").open("a") as log:
            for line in said:
                log.write(line)
            log.write(f"ended with {self._process and self._process.wait()}\n")

    def _ended(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self._process.wait(20)
        self._reader.join()
        self._process.stdout.close()


class Person:
    """Somebody with a browser of their own; remembers what the console complained about."""

    def __init__(self, browser: Browser, server: ApexServer, email: str, expects: str) -> None:
        self.server = server
        self.email = email
        self._expects = re.compile(expects)
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        self.context.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self._token = ""

    def open(self, path: str) -> Page:
        """A tab of its own at `path`."""
        page = self.context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.goto(self.server.url + path)
        return page

    def sign_up(self) -> None:
        """An account, through the API; the browser keeps the cookie as after signing in."""
        answer = self.context.request.post(
            f"{self.server.url}/auth/register?cookie=1",
            data={"email": self.email, "password": PASSWORD},
            headers={"Origin": self.server.url},
        )
        assert answer.status == 201, answer.text()
        self._token = answer.json()["access_token"]
        self.context.add_init_script(SIGNED_IN)

    def call(self, method: str, path: str, **body: Any) -> Any:
        """What the API answers this person, who has signed up, beside the browser."""
        answer = self.context.request.fetch(
            self.server.url + path,
            method=method,
            headers={"Authorization": f"Bearer {self._token}"},
            data=body or None,
        )
        assert answer.ok, answer.text()
        return answer.json() if answer.body() else None

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._expects.search(message.text):
            self.complaints.append(message.text)


def violations(page: Page) -> list[str]:
    """What axe finds wrong on the page, by rule and place."""
    page.evaluate((frontend_folder() / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['target']}" for v in found]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[ApexServer]:
    """Asks for the browser first: without one, nothing is built or started."""
    build(frontend_folder(), default_folder())
    apex = ApexServer(tmp_path_factory.mktemp("apex"))
    apex.start()
    yield apex
    apex.stop()


@pytest.fixture
def new_person(browser: Browser, server: ApexServer) -> Generator[Callable[..., Person]]:
    """Makes people. At the end nobody's console may have complained, but for what was expected."""
    made: list[Person] = []

    def make(email: str, *, expects: str = "(?!)") -> Person:
        made.append(Person(browser, server, email, expects))
        return made[-1]

    yield make
    for person in made:
        person.context.close()
    assert [complaint for person in made for complaint in person.complaints] == []


@pytest.fixture(scope="module")
def ada(browser: Browser, server: ApexServer, workload: Path) -> Generator[Person]:
    """Somebody who has signed up and brought the workload."""
    person = Person(browser, server, "ada@example.org", SERVER_AWAY)
    person.sign_up()
    page = person.open("/data")
    page.get_by_label("Files to import").set_input_files(workload)
    expect(page.locator("[data-state=done]")).to_be_visible()
    page.close()
    yield person
    person.context.close()
    assert person.complaints == []


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 24,000 generated calls with planted waste."""
    path = tmp_path_factory.mktemp("workload") / "calls.parquet"
    write_workload(generate_workload(seed=7), path, "parquet")
    return path


@pytest.fixture(scope="session")
def small_workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenth of that, as a gateway's spend log."""
    path = tmp_path_factory.mktemp("workload") / "spend.jsonl"
    scenario = scaled(demo_scenario(), scale=0.1)
    write_workload(generate_workload(seed=8, scenario=scenario), path, "litellm")
    return path
