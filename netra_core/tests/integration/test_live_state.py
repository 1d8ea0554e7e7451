"""Shared state on the tabs of its user, also when it changes faster than tabs are told."""

import json

import pytest
import websockets

from netra_core.context import UserExecutionContext
from netra_core.events import InProcessFanOut
from netra_core.state import MemoryStateStore, UnifiedStateManager
from netra_core.state.listeners import Listeners
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.live_node import live_node
from netra_core.testing.socket_app import token_of
from netra_core.websocket import LiveState

ADA = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="test")


@pytest.mark.integration
async def test_changes_that_overtake_their_listener_are_told_from_the_feed() -> None:
    fan_out = InProcessFanOut()
    state = UnifiedStateManager(MemoryStateStore(), listeners=Listeners(max_waiting=3))
    async with live_node(MemoryEventLog(fan_out=fan_out), fan_out) as live:
        tabs = LiveState(state, live.manager)
        tabs.start()
        headers = {"Authorization": f"Bearer {token_of('ada')}"}
        async with websockets.connect(live.server.ws_url, additional_headers=headers) as tab:
            await tab.send('{"type": "ping"}')
            assert [json.loads(await tab.recv())["type"] for _ in "ab"] == [
                "connection_established",
                "pong",
            ]
            async with state.for_context(ADA).transaction() as many:
                for number in range(50):
                    many.set(f"key.{number}", number)
            told = [json.loads(await tab.recv()) for _ in range(50)]
        tabs.stop()
    await state.shutdown()
    assert [(message["key"], message["value"]) for message in told] == [
        (f"key.{number}", number) for number in range(50)
    ]
