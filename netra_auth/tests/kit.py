"""What auth tests do over and over: register people, read their mail, move the clock."""

import email
import re
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from netra_auth.parts import AuthParts

BASE_URL = "http://apex.example"
SERVICE_SECRET = "a service secret of the tests, long enough"
PASSWORD = "correct horse battery staple"
START = 1_800_000_000.0


class Clock:
    """Unix time that moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Account:
    """A person as a client sees them after signing in."""

    user_id: str
    email: str
    workspace_id: str
    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@dataclass
class Kit:
    """A running auth service."""

    app: FastAPI
    parts: AuthParts
    http: httpx.AsyncClient
    clock: Clock

    @property
    def service(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {SERVICE_SECRET}"}

    def client(self, address: str) -> httpx.AsyncClient:
        """A client at another network address, with cookies of its own."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    async def register(self, address: str, password: str = PASSWORD) -> Account:
        answer = await self.http.post(
            "/auth/register", json={"email": address, "password": password}
        )
        assert answer.status_code == 201, answer.text
        return account_of(answer.json())

    async def login(self, address: str, password: str = PASSWORD) -> Account:
        answer = await self.http.post("/auth/login", json={"email": address, "password": password})
        assert answer.status_code == 200, answer.text
        return account_of(answer.json())

    async def refresh(self, token: str) -> httpx.Response:
        return await self.http.post("/auth/refresh", json={"refresh_token": token})

    async def me(self, account: Account) -> httpx.Response:
        return await self.http.get("/auth/me", headers=account.headers)

    async def changes(self, after: int = 0, wait_s: float = 0) -> dict[str, Any]:
        answer = await self.http.get(
            "/auth/internal/changes",
            params={"after": after, "wait_s": wait_s},
            headers=self.service,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def join(self, owner: Account, newcomer: Account, role: str) -> None:
        """Bring a person into the owner's workspace by invitation."""
        invited = await self.http.post(
            f"/auth/workspaces/{owner.workspace_id}/invitations",
            json={"email": newcomer.email, "role": role},
            headers=owner.headers,
        )
        assert invited.status_code == 201, invited.text
        token = (await self.letters(newcomer.email))[-1].token
        accepted = await self.http.post(
            "/auth/invitations/accept", json={"token": token}, headers=newcomer.headers
        )
        assert accepted.status_code == 200, accepted.text

    async def letters(self, to: str | None = None) -> list["Read"]:
        """Mail that was sent, oldest first."""
        await self.parts.mail.flush()
        folder = self.parts.deps.folders.outbox
        found = [_read(path.read_bytes()) for path in sorted(folder.glob("*.eml"))]
        return [letter for letter in found if to in (None, letter.to)]


@dataclass(frozen=True)
class Read:
    """A letter as its receiver reads it."""

    to: str
    subject: str
    text: str

    @property
    def token(self) -> str:
        found = re.search(r"#token=(\S+)", self.text)
        assert found is not None, self.text
        return found.group(1)


def account_of(body: dict[str, Any]) -> Account:
    return Account(
        user_id=body["user"]["id"],
        email=body["user"]["email"],
        workspace_id=body["workspace"]["id"],
        access=body["access_token"],
        refresh=body.get("refresh_token", ""),
    )


def _read(data: bytes) -> Read:
    message = email.message_from_bytes(data)
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    return Read(to=str(message["To"]), subject=str(message["Subject"]), text=text.decode())
