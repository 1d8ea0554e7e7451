"""Server memory of an idle connection, each of another user, beside a bare uvicorn's."""

import asyncio

from live_load import connect_many, server

COUNTS = (1000, 5000)


async def measure(mode: str) -> None:
    async with server(mode) as target:
        warm = await connect_many(target.port, [f"warm{n}" for n in range(50)])
        before = int(await target.tell("memory"))
        peers = []
        for count in COUNTS:
            peers += await connect_many(target.port, [f"user{n}" for n in range(len(peers), count)])
            used = int(await target.tell("memory")) - before
            print(f"{mode:5} {count:6,} idle connections: {used / count:6.1f} KiB each")
        for peer in warm + peers:
            peer.transport.abort()


async def main() -> None:
    for mode in ("bare", "apex"):
        await measure(mode)


asyncio.run(main())
