"""2,000 clients lose their sockets at once, reconnect and resume: time until the last is level."""

import asyncio
import re
import tempfile
import time

from live_load import Peer, connect, connect_many, server

CLIENTS, MISSED = 2000, 5
EPOCH = re.compile(rb'"epoch":"([^"]+)","seq":(\d+)')


async def recover(port: int, user: str, epoch: bytes, seq: int, missed: int) -> Peer:
    peer = await connect(port, user)
    peer.expect(missed)
    peer.say(b'{"type":"resume","epoch":"%s","after_seq":%d}' % (epoch, seq))
    await peer.enough.wait()
    return peer


async def main() -> None:
    users = [f"u{n}" for n in range(CLIENTS)]
    with tempfile.TemporaryDirectory() as folder:
        async with server("apex", f"{folder}/platform.sqlite") as target:
            await target.tell(f"begin {CLIENTS}")
            peers = await connect_many(target.port, users)
            places = [EPOCH.search(peer.head) for peer in peers]
            await target.tell("drop")
            await asyncio.gather(*[peer.lost.wait() for peer in peers])
            await target.tell(f"rate {CLIENTS} {CLIENTS * MISSED} 1.0")
            began = time.perf_counter()
            await asyncio.gather(
                *[
                    recover(target.port, user, place[1], int(place[2]), MISSED)
                    for user, place in zip(users, places, strict=True)
                    if place is not None
                ]
            )
            took = time.perf_counter() - began
    print(f"{CLIENTS:,} clients, {MISSED} missed events each: the last is level after {took:.2f} s")


asyncio.run(main())
