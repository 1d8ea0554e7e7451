"""1,000 connected users, durable events at a fixed rate: time from due to arrival, open loop.

The log is SQLite with group commit; each event is committed before it is sent. An event that is
late is counted from when it was due, so a stall shows. Not measured: several nodes, PostgreSQL.
"""

import asyncio
import re
import sys
import tempfile
import time

from live_load import Peer, connect_many, server

USERS, SECONDS = 1000, 8.0
DUE = re.compile(rb"due=(\d+\.\d+)")


def percentile(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


async def main() -> None:
    rates = [int(value) for value in sys.argv[1:]] or [1000, 2000, 5000]
    found: list[float] = []

    def arrived(_: Peer, data: bytes) -> None:
        now = time.monotonic()
        found.extend((now - float(due)) * 1000 for due in DUE.findall(data))

    with tempfile.TemporaryDirectory() as folder:
        async with server("apex", f"{folder}/platform.sqlite") as target:
            await target.tell(f"begin {USERS}")
            peers = await connect_many(target.port, [f"u{n}" for n in range(USERS)], arrived)
            for rate in rates:
                found.clear()
                total = int(rate * SECONDS)
                share = total // USERS
                for peer in peers:
                    peer.expect(share)
                said = await target.tell(f"rate {USERS} {rate} {SECONDS}")
                await asyncio.gather(*[peer.enough.wait() for peer in peers])
                found.sort()
                figures = ", ".join(
                    f"p{int(s * 100)} {percentile(found, s):,.1f} ms" for s in (0.5, 0.99)
                )
                print(
                    f"{rate:6,}/s: {said}; {len(found):,} arrived; {figures}, "
                    f"max {found[-1]:,.1f} ms"
                )


asyncio.run(main())
