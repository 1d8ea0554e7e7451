import { beforeEach, describe, expect, it } from "vitest";
import type { Event, Run } from "../src/api/types";
import { RunStore } from "../src/live/runs";

const REPORT = { kind: "savings", headline: "$12 can be saved" };

function event(at: number, type: string, payload: Record<string, unknown>): Event {
  return {
    v: 1,
    type,
    event_id: `e${at}`,
    epoch: "ep",
    seq: at,
    workspace_id: "w",
    thread_id: "t",
    run_id: "r",
    run_seq: at,
    agent_name: "supervisor",
    timestamp: `2026-11-22T10:00:0${at}.000Z`,
    payload,
  };
}

const started = event(1, "agent_started", { message: "On it", parent_agent: null });
const ended = event(2, "agent_completed", { status: "completed", duration_ms: 9, result: { report: REPORT } });

const stored = (status: Run["status"]): Run =>
  ({
    id: "r",
    thread_id: "t",
    status,
    created_at: "2026-11-22T10:00:00Z",
    ended_at: status === "completed" ? "2026-11-22T10:00:02Z" : null,
    report: status === "completed" ? REPORT : null,
    error: null,
  }) as unknown as Run;

let store: RunStore;
let told: string[];

beforeEach(() => {
  store = new RunStore();
  told = [];
  store.onBegin((run) => told.push(`begin ${run.id}`));
  store.onEnd((run) => told.push(`end ${run.id} ${run.status}`));
  store.subscribe("r", () => told.push("changed"));
});

describe("the runs of a tab", () => {
  it("tell once of their beginning and once of their end, however they are learnt of", () => {
    store.expect("r", "t");
    store.accept(started);
    store.accept(started);
    store.accept(ended);
    store.adopt(stored("completed"));
    store.accept(ended);
    expect(told).toEqual(["changed", "begin r", "changed", "changed", "end r completed"]);
  });

  it("are taken from the server when no event of theirs was heard", () => {
    store.adopt(stored("completed"));
    expect(store.get("r")?.report).toEqual(REPORT);
    expect(told.filter((word) => word.startsWith("end"))).toEqual(["end r completed"]);
  });

  it("wait from when they were asked, and have begun with their first event", () => {
    store.adopt(stored("pending"));
    expect(store.get("r")).toMatchObject({ status: "pending", startedAt: "2026-11-22T10:00:00Z" });
    store.accept(started);
    expect(store.get("r")).toMatchObject({ status: "running", startedAt: started.timestamp });
  });

  it("believe events more than an older answer of the server", () => {
    store.accept(started);
    store.accept(ended);
    store.adopt(stored("running"));
    expect(store.get("r")?.status).toBe("completed");
  });

  it("are folded anew from the first event after a restart of the stream", () => {
    store.accept(started);
    store.restart("r");
    expect(store.get("r")?.agents).toEqual([]);
    store.accept(started);
    store.accept(ended);
    expect(store.get("r")?.agents).toHaveLength(1);
    expect(store.get("r")?.status).toBe("completed");
  });
});
