"""Push of one user's events to 100 sockets, against a bare uvicorn loop that sends ready text.

One core for the server, one for the load, both servers in one run, in turns. With one event a
commit every event is encoded, logged (in memory) and sent alone; with ten, a socket gets ten in one
write. Not measured: TLS, networks, several users at once.
"""

import asyncio
import contextlib
import statistics

from live_load import connect_many, server, timed_push

SOCKETS, EVENTS, ROUNDS = 100, 500, 5
BATCHES = (1, 10)
MODES = ("bare", "apex")


async def main() -> None:
    async with contextlib.AsyncExitStack() as stack:
        servers = {mode: await stack.enter_async_context(server(mode)) for mode in MODES}
        await servers["apex"].tell("start")
        peers = {
            mode: await connect_many(target.port, ["ada"] * SOCKETS)
            for mode, target in servers.items()
        }
        for batch in BATCHES:
            found: dict[str, list[float]] = {mode: [] for mode in MODES}
            for round_number in range(ROUNDS + 1):
                for mode, target in servers.items():
                    took = await timed_push(target, peers[mode], EVENTS, batch)
                    if round_number:
                        found[mode].append(SOCKETS * EVENTS / took)
            rates = {mode: statistics.median(values) for mode, values in found.items()}
            print(
                f"{batch:3} events a commit: bare {rates['bare']:9,.0f} messages/s, "
                f"apex {rates['apex']:9,.0f} messages/s, ratio {rates['apex'] / rates['bare']:.2f}"
            )
    print(f"median of {ROUNDS} rounds, {SOCKETS} sockets, {EVENTS} events a round")


asyncio.run(main())
