"""Waiting for what the server does in the background, whatever becomes of the connection."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from netra_client import ApexClient, ApiError, UnreachableError

Answer = httpx.Response | httpx.TransportError


def client_told(*answers: Answer) -> tuple[ApexClient, list[str]]:
    """A client, and the paths it asks for; each gets the next of the answers."""
    left, asked = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        given = left.pop(0)
        if isinstance(given, httpx.TransportError):
            raise given
        return given

    transport = httpx.MockTransport(answer)
    return ApexClient("http://localhost", access_token="t", transport=transport), asked


def state(status: str) -> httpx.Response:
    return httpx.Response(200, json={"status": status, "removal_id": "r1"})


AWAY = (httpx.ReadError("gone"), httpx.ConnectError("refused"))
NOT_READY = httpx.Response(503, json={"code": "API-503", "retryable": True})
Wait = Callable[[ApexClient], Any]


@pytest.mark.parametrize("away", [AWAY, (NOT_READY,)], ids=["unreachable", "not ready"])
async def test_a_server_that_is_away_for_a_while_is_waited_for(away: tuple[Answer, ...]) -> None:
    client, asked = client_told(state("running"), *away, state("completed"))
    async with client:
        ended = await client.wait_for_import("i1", poll_s=0)
    assert ended["status"] == "completed"
    assert len(asked) == len(away) + 2


async def test_a_removal_is_asked_for_once_and_waited_for_the_same_way() -> None:
    client, asked = client_told(state("queued"), *AWAY, state("completed"))
    async with client:
        ended = await client.erase_usage({"everything": True}, poll_s=0)
    assert ended["status"] == "completed"
    assert asked == ["/api/usage/erase", *["/api/usage/removals/r1"] * 3]


async def test_patience_ends_and_a_refusal_is_told_at_once() -> None:
    client, _ = client_told(AWAY[0])
    async with client:
        with pytest.raises(UnreachableError):
            await client.wait_for_import("i1", poll_s=0, patience_s=0)
    client, asked = client_told(httpx.Response(404, json={"code": "API-404"}))
    async with client:
        with pytest.raises(ApiError):
            await client.wait_for_import("i1", poll_s=0)
    assert len(asked) == 1
