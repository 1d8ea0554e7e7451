import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Event } from "../src/api/types";
import { LiveSocket, type LinkState } from "../src/live/socket";

class FakeSocket {
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: unknown[] = [];
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {}
  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  drops(code = 1006): void {
    this.onclose?.({ code });
  }
}

let sockets: FakeSocket[];
let events: number[];
let texts: string[];
let states: LinkState[];
let resyncs: number;
let away: boolean;
let live: LiveSocket;

const hello = (seq: number, epoch = "ep") => ({ type: "connection_established", connection_id: "c", epoch, seq });
const event = (seq: number) => ({ type: "agent_thinking", seq, run_seq: seq, run_id: "r", epoch: "ep", payload: {} });
const newest = (): FakeSocket => sockets.at(-1) as FakeSocket;

async function opened(): Promise<FakeSocket> {
  await vi.advanceTimersByTimeAsync(10_000);
  return newest();
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  events = [];
  texts = [];
  states = [];
  resyncs = 0;
  away = false;
  live = new LiveSocket({
    address: () => (away ? Promise.reject(new Error("away")) : Promise.resolve("ws://x")),
    open: () => {
      sockets.push(new FakeSocket());
      return newest() as unknown as WebSocket;
    },
    onEvent: (e: Event) => events.push(e.seq),
    onText: (delta) => texts.push(delta.text),
    onResync: () => (resyncs += 1),
    onState: (state) => states.push(state),
    random: () => 1,
  });
});

describe("the live socket", () => {
  it("takes the server's position at first and passes events on in order, each once", async () => {
    live.start();
    const socket = await opened();
    socket.says(hello(5));
    for (const seq of [5, 6, 6, 7]) socket.says(event(seq));
    expect(events).toEqual([6, 7]);
    expect(socket.sent).toEqual([]);
    expect(live.position).toEqual({ epoch: "ep", seq: 7 });
  });

  it("hands on what agents are writing, which moves no position", async () => {
    live.start();
    const socket = await opened();
    socket.says(hello(5));
    socket.says({ type: "agent_delta", run_id: "r", agent_name: "a", offset: 0, text: "Half" });
    expect(texts).toEqual(["Half"]);
    expect(live.position).toEqual({ epoch: "ep", seq: 5 });
  });

  it("comes back after a drop and continues behind the last event", async () => {
    live.start();
    (await opened()).says(hello(0));
    newest().says(event(1));
    newest().drops();
    const again = await opened();
    again.says(hello(3));
    expect(again.sent).toEqual([{ type: "resume", epoch: "ep", after_seq: 1 }]);
    again.says(event(2));
    again.says(event(3));
    again.says({ type: "resumed", from_seq: 2, to_seq: 3 });
    expect(events).toEqual([1, 2, 3]);
    expect(states.at(-1)).toBe("live");
  });

  it("keeps trying while the server is away", async () => {
    live.start();
    (await opened()).says(hello(0));
    away = true;
    newest().drops();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(states.at(-1)).toBe("waiting");
    away = false;
    live.hurry();
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets).toHaveLength(2);
  });

  it("tells a server that is away from a way on which no socket comes about", async () => {
    live.start();
    const silent = await opened();
    expect(states).toEqual(["connecting"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(states.at(-1)).toBe("barred");
    const refused = newest();
    expect(refused).not.toBe(silent);
    silent.drops();
    refused.drops();
    expect(states.at(-1)).toBe("barred");
    (await opened()).says(hello(0));
    newest().drops();
    expect(states.at(-1)).toBe("waiting");
  });

  it("asks for what is missing when an event skips ahead, once", async () => {
    live.start();
    const socket = await opened();
    socket.says(hello(0));
    socket.says(event(1));
    socket.says(event(4));
    socket.says(event(5));
    expect(socket.sent).toEqual([{ type: "resume", epoch: "ep", after_seq: 1 }]);
    for (const seq of [2, 3, 4, 5]) socket.says(event(seq));
    socket.says({ type: "resumed", from_seq: 2, to_seq: 5 });
    expect(events).toEqual([1, 2, 3, 4, 5]);
  });

  it("takes the new position and says so when it cannot be continued", async () => {
    live.start();
    (await opened()).says(hello(9));
    newest().drops();
    const again = await opened();
    again.says(hello(2, "other"));
    again.says({ type: "resync_required", reason: "epoch_changed", epoch: "other", seq: 2 });
    expect(resyncs).toBe(1);
    expect(live.position).toEqual({ epoch: "other", seq: 2 });
  });

  it("does nothing more once stopped", async () => {
    live.start();
    const socket = await opened();
    socket.says(hello(0));
    live.stop();
    socket.says(event(1));
    socket.drops();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(events).toEqual([]);
    expect(sockets).toHaveLength(1);
  });
});
