"""The HTTP API: sign in, upload, ask, read."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx

from netra_client.errors import ApiError, SignedOutError, UnreachableError
from netra_client.events import JsonObject, LiveEvent, TextDelta
from netra_client.live import LiveConnection
from netra_client.protocol import LiveProtocol
from netra_client.sse import SseDecoder, decode_events, lines_of

TIMEOUT_S = 30.0
KEPT_S = 2.0
"""A connection that rests is let go before a server does so (often after 5 s)."""
PATIENCE_S = 60.0
"""How long a server that is away in the middle of a job is waited for."""


class ApexClient:
    """A person's session with one Apex server.

    Give an `access_token`, or sign in with `login`. An expired token is refreshed once on its own
    when there is a refresh token. Every method raises ApiError, SignedOutError or UnreachableError.
    """

    def __init__(
        self,
        url: str,
        *,
        access_token: str | None = None,
        refresh_token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.url = url.rstrip("/")
        self.access_token = access_token
        self.refresh_token = refresh_token
        self._new_id = new_id
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=TIMEOUT_S,
            limits=httpx.Limits(keepalive_expiry=KEPT_S),
            transport=transport,
            follow_redirects=False,
        )
        self._refreshing = asyncio.Lock()

    async def __aenter__(self) -> "ApexClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    # Session

    async def register(self, email: str, password: str, *, name: str | None = None) -> JsonObject:
        """Make an account with a workspace of its own, and sign in."""
        body: JsonObject = {"email": email, "password": password}
        if name is not None:
            body["name"] = name
        return self._signed_in(await self._send("POST", "/auth/register", json=body))

    async def login(self, email: str, password: str) -> JsonObject:
        """Sign in."""
        body = {"email": email, "password": password}
        return self._signed_in(await self._send("POST", "/auth/login", json=body))

    async def refresh(self) -> str:
        """A fresh access token. Raises SignedOutError without a valid refresh token."""
        stale = self.access_token
        async with self._refreshing:
            if self.access_token is not None and self.access_token != stale:
                return self.access_token
            if self.refresh_token is None:
                raise SignedOutError("The session has ended. Sign in again.")
            body = {"refresh_token": self.refresh_token}
            try:
                self._signed_in(await self._send("POST", "/auth/refresh", json=body))
            except ApiError as error:
                raise SignedOutError("The session has ended. Sign in again.") from error
        return self._token()

    async def me(self) -> JsonObject:
        """Who is signed in."""
        return await self.get("/auth/me")

    async def live_health(self) -> JsonObject:
        """Whether the server lives; no session is needed."""
        return await self._send("GET", "/health/live")

    # Usage

    async def import_file(self, path: Path, **options: str | list[str]) -> JsonObject:
        """Upload a file of usage; answers `import_id` and `status`.

        `options` say how it is read: format, model, start, timezone, map (FIELD=COLUMN).
        """
        with path.open("rb") as content:
            files = {"file": (path.name, content)}
            return await self._authorized(
                "POST", "/api/usage/import", files=files, data=options, timeout=None
            )

    async def wait_for_import(
        self,
        import_id: str,
        *,
        poll_s: float = 0.3,
        patience_s: float = PATIENCE_S,
        on_state: Callable[[JsonObject], None] | None = None,
    ) -> JsonObject:
        """The import once it has ended, whatever its outcome; `on_state` is told how far it is.

        A server that is away is waited for, `patience_s` at a time: its imports go on afterwards.
        """
        while True:
            state = await self._state(f"/api/usage/imports/{import_id}", poll_s, patience_s)
            if on_state is not None:
                on_state(state)
            if state["status"] not in ("queued", "running"):
                return state
            await asyncio.sleep(poll_s)

    async def erase_usage(
        self, chosen: JsonObject, *, poll_s: float = 0.3, patience_s: float = PATIENCE_S
    ) -> JsonObject:
        """Remove the chosen calls for good; the removal once it has ended, waited for as an import.

        `chosen` has `from`, `to` and names as a summary's query, or `everything`.
        """
        state = await self._authorized("POST", "/api/usage/erase", json=chosen)
        while state["status"] in ("queued", "running"):
            await asyncio.sleep(poll_s)
            path = f"/api/usage/removals/{state['removal_id']}"
            state = await self._state(path, poll_s, patience_s)
        return state

    async def download(self, path: str, to: Path, **params: Any) -> None:  # Any: query parameters
        """Write what the API sends to a file, which is there whole or not at all."""
        if self.access_token is None and self.refresh_token is not None:
            await self.refresh()
        part = to.with_name(f"{to.name}.part")
        try:
            headers = {"Authorization": f"Bearer {self._token()}"}
            async with self._http.stream(
                "GET", path, params=params, headers=headers, timeout=None
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise _api_error(response)
                with part.open("wb") as file:
                    async for piece in response.aiter_bytes():
                        file.write(piece)
            part.replace(to)
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url} cannot be reached.") from error
        finally:
            part.unlink(missing_ok=True)

    # Chat and runs

    async def post_message(
        self,
        content: str,
        *,
        thread_id: str | None = None,
        client_message_id: str | None = None,
        while_busy: Literal["enqueue", "reject", "interrupt"] = "enqueue",
    ) -> JsonObject:
        """Send a message over HTTP; a thread is made when none is given."""
        if thread_id is None:
            thread_id = (await self._authorized("POST", "/api/threads", json={}))["id"]
        body = {
            "content": content,
            "client_message_id": client_message_id or self._new_id(),
            "while_busy": while_busy,
        }
        return await self._authorized("POST", f"/api/threads/{thread_id}/messages", json=body)

    async def run(self, run_id: str) -> JsonObject:
        """The state of a run."""
        return await self.get(f"/api/runs/{run_id}")

    async def cancel_run(self, run_id: str) -> JsonObject:
        """Cancel a run."""
        return await self._authorized("POST", f"/api/runs/{run_id}/cancel")

    async def run_events(
        self, run_id: str, *, after_run_seq: int = 0, attempts: int = 5
    ) -> AsyncGenerator[LiveEvent]:
        """A run's events over SSE until it ends, reconnecting where the stream breaks."""
        follow = self.follow_run(run_id, after_run_seq=after_run_seq, attempts=attempts)
        async with aclosing(follow) as updates:
            async for update in updates:
                if isinstance(update, LiveEvent):
                    yield update

    async def follow_run(
        self, run_id: str, *, after_run_seq: int = 0, attempts: int = 5
    ) -> AsyncGenerator[LiveEvent | TextDelta]:
        """A run's events, as `run_events`, and between them the texts its agents are writing."""
        decoder = SseDecoder(last_id=str(after_run_seq) if after_run_seq else "")
        failures = 0
        while True:
            headers = {"Last-Event-ID": decoder.last_id} if decoder.last_id else {}
            try:
                async with self._http.stream(
                    "GET",
                    f"/api/runs/{run_id}/events",
                    headers={**headers, "Authorization": f"Bearer {self._token()}"},
                    timeout=httpx.Timeout(TIMEOUT_S, read=60.0),
                ) as response:
                    if response.status_code == 401:
                        await self.refresh()
                        continue
                    if response.is_error:
                        await response.aread()
                        raise _api_error(response)
                    lines = lines_of(response.aiter_bytes())
                    async for update in decode_events(lines, decoder):
                        failures = 0
                        yield update
                    return
            except httpx.TransportError as error:
                failures += 1
                if failures >= attempts:
                    raise UnreachableError(f"{self.url} cannot be reached.") from error
                await asyncio.sleep(0.2 * 2**failures)

    async def socket_ticket(self) -> str:
        """A one-time ticket for `/ws`."""
        return (await self._authorized("POST", "/api/ws/ticket"))["ticket"]

    def live(
        self, *, protocol: LiveProtocol | None = None, patience_s: float = 60.0
    ) -> LiveConnection:
        """A live connection of this session."""

        async def token(fresh: bool) -> str:
            return await self.refresh() if fresh else self._token()

        return LiveConnection(
            socket_url(self.url), token=token, protocol=protocol, patience_s=patience_s
        )

    async def get(self, path: str, **params: Any) -> JsonObject:  # Any: query parameters
        """Any resource of the API."""
        return await self._authorized("GET", path, params=params or None)

    # Inside

    async def _state(self, path: str, poll_s: float, patience_s: float) -> JsonObject:
        """What the server says of a job, asked again while it cannot be reached or is not ready."""
        clock = asyncio.get_running_loop().time
        until = clock() + patience_s
        while True:
            try:
                return await self.get(path)
            except (UnreachableError, ApiError) as error:
                passing = isinstance(error, UnreachableError) or error.retryable
                if not passing or clock() >= until:
                    raise
            await asyncio.sleep(poll_s)

    def _token(self) -> str:
        if self.access_token is None:
            raise SignedOutError("Sign in first.")
        return self.access_token

    def _signed_in(self, answer: JsonObject) -> JsonObject:
        self.access_token = answer["access_token"]
        self.refresh_token = answer.get("refresh_token") or self.refresh_token
        return answer

    async def _authorized(self, method: str, path: str, **options: Any) -> JsonObject:
        if self.access_token is None and self.refresh_token is not None:
            await self.refresh()
        try:
            return await self._send(method, path, token=self._token(), **options)
        except ApiError as error:
            if error.status != 401:
                raise
            if self.refresh_token is None:
                raise SignedOutError("The session has ended. Sign in again.") from error
        token = await self.refresh()
        for upload in (options.get("files") or {}).values():
            upload[1].seek(0)
        return await self._send(method, path, token=token, **options)

    async def _send(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> JsonObject:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        try:
            response = await self._http.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url} cannot be reached. Is it running?") from error
        if response.is_error:
            raise _api_error(response)
        return response.json() if response.content else {}


def socket_url(url: str) -> str:
    """The address of `/ws` on a server."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/ws", "", ""))


def _api_error(response: httpx.Response) -> ApiError:
    try:
        problem: Any = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}"
    return ApiError(
        str(message),
        status=response.status_code,
        code=str(problem.get("code", "")),
        hint=str(problem.get("hint") or ""),
        retryable=bool(problem.get("retryable", False)),
    )
