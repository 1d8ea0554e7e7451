import { describe, expect, it } from "vitest";
import { fold, hasGap, hasTextGap, isTerminal, newRun, write, type RunState } from "../src/live/fold";
import type { Event, TextDelta } from "../src/api/types";

type Line = [type: string, agent: string, payload: Record<string, unknown>];

const REPORT = { kind: "savings", headline: "$12 can be saved" };

const LINES: Line[] = [
  ["agent_started", "supervisor", { message: "On it", parent_agent: null }],
  ["agent_thinking", "supervisor", { thought: "Triage first", step_number: 1 }],
  ["agent_started", "data", { message: "Looking", parent_agent: "supervisor" }],
  ["tool_executing", "data", { tool_name: "usage_profile", call_id: "c1", args: { by: "model" } }],
  ["tool_completed", "data", { tool_name: "usage_profile", call_id: "c1", ok: true, result: 7, duration_ms: 12 }],
  ["agent_completed", "data", { status: "completed", duration_ms: 30, result: { report: "not the run's" } }],
  ["agent_completed", "supervisor", { status: "completed", duration_ms: 50, result: { report: REPORT } }],
];

function event(at: number, [type, agent, payload]: Line): Event {
  return {
    v: 1,
    type,
    event_id: `e${at}`,
    epoch: "ep",
    seq: 100 + at,
    workspace_id: "w",
    thread_id: "t",
    run_id: "r",
    run_seq: at,
    agent_name: agent,
    timestamp: `2026-11-22T10:00:0${at}.000Z`,
    payload,
  };
}

const EVENTS = LINES.map((line, i) => event(i + 1, line));

function foldAll(events: Event[]): RunState {
  return events.reduce(fold, newRun("r", "t"));
}

/** A small deterministic generator, so that a failing order can be seen again. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed;
  for (let i = out.length - 1; i > 0; i -= 1) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const j = state % (i + 1);
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

describe("the fold of a run's events", () => {
  it("ends with the supervisor's report and every agent and tool closed", () => {
    const run = foldAll(EVENTS);
    expect(run.status).toBe("completed");
    expect(run.report).toEqual(REPORT);
    expect(run.agents.map((agent) => [agent.name, agent.state, agent.durationMs])).toEqual([
      ["supervisor", "completed", 50],
      ["data", "completed", 30],
    ]);
    expect(run.agents[1]?.steps).toEqual([
      {
        kind: "tool",
        callId: "c1",
        tool: "usage_profile",
        args: { by: "model" },
        state: "ok",
        durationMs: 12,
        result: 7,
        error: null,
      },
    ]);
  });

  it("is the same whatever the order and however often events come", () => {
    const wanted = foldAll(EVENTS);
    for (let seed = 1; seed <= 200; seed += 1) {
      const run = foldAll(shuffled([...EVENTS, ...EVENTS], seed));
      expect(run, `seed ${seed}`).toEqual(wanted);
    }
  });

  it("shows nothing that came after a hole until the hole is filled", () => {
    const holed = foldAll(EVENTS.filter((e) => e.run_seq !== 4));
    expect(hasGap(holed)).toBe(true);
    expect(holed.runSeq).toBe(3);
    expect(isTerminal(holed.status)).toBe(false);
    const filled = fold(holed, EVENTS[3] as Event);
    expect(hasGap(filled)).toBe(false);
    expect(filled).toEqual(foldAll(EVENTS));
  });

  it("does not take a sub-agent's result for the run's report", () => {
    const run = foldAll(EVENTS.slice(0, 6));
    expect(run.report).toBeNull();
    expect(run.status).toBe("running");
  });

  it("closes what was open when the run is cancelled", () => {
    const run = foldAll([...EVENTS.slice(0, 3), event(4, ["run_cancelled", "supervisor", { reason: "user" }])]);
    expect([run.status, run.stopped]).toEqual(["cancelled", "user"]);
    expect(run.agents.map((agent) => agent.state)).toEqual(["cancelled", "cancelled"]);
  });

  it("keeps the reason of a failed run", () => {
    const failure = event(2, ["agent_error", "supervisor", { code: "AGT-010", message: "Too slow" }]);
    const run = foldAll([EVENTS[0] as Event, failure]);
    expect(run.status).toBe("failed");
    expect(run.error).toEqual({ code: "AGT-010", message: "Too slow" });
  });

  it("takes erased events and kinds it does not know without losing its place", () => {
    const erased = EVENTS.slice(0, 6).map((e) => ({ ...e, payload: {} }));
    const unknown = { ...event(7, ["agent_mused", "data", {}]) };
    expect(foldAll([...erased, unknown]).runSeq).toBe(7);
  });

  it("does not reopen a run known to have ended while its history is read", () => {
    const known: RunState = { ...newRun("r", "t"), status: "completed", report: REPORT as never };
    const states = EVENTS.map((_, i) => EVENTS.slice(0, i + 1).reduce(fold, known));
    expect(states.map((state) => state.status)).toEqual(EVENTS.map(() => "completed"));
    expect(states.every((state) => state.report !== null)).toBe(true);
  });
});

describe("a text that an agent is writing", () => {
  const piece = (offset: number, text: string, agent = "supervisor"): TextDelta => ({
    type: "agent_delta",
    thread_id: "t",
    run_id: "r",
    agent_name: agent,
    offset,
    text,
  });
  const writing = (...pieces: TextDelta[]) => pieces.reduce(write, foldAll(EVENTS.slice(0, 2)));

  it("grows by characters, whatever their planes", () => {
    expect(writing(piece(0, "5 €🛰"), piece(4, " saved")).draft).toEqual({ agent: "supervisor", text: "5 €🛰 saved" });
  });

  it("is the same when socket and event stream both tell it, and shows nothing behind a hole", () => {
    const run = writing(piece(0, "Half "), piece(0, "Ha"), piece(5, "of it"), piece(2, "lf "), piece(90, "lost"));
    expect(run.draft?.text).toBe("Half of it");
    expect(hasTextGap(run)).toBe(true);
  });

  it("goes on when what lay between is read, by whoever joined in the middle", () => {
    const joined = writing(piece(6, "was "), piece(10, "said "));
    expect([joined.draft?.text, hasTextGap(joined)]).toEqual(["", true]);
    const read = write(joined, piece(0, "What 🛰was s"));
    expect([read.draft?.text, hasTextGap(read)]).toEqual(["What 🛰was said ", false]);
    expect(write(read, piece(15, "before")).draft?.text).toBe("What 🛰was said before");
  });

  it("does not end in a piece of the one before it", () => {
    const other = write(writing(piece(0, "The dead node's"), piece(20, "end")), piece(0, "Another text, and longer"));
    expect([other.draft?.text, hasTextGap(other)]).toEqual(["Another text, and longer", false]);
  });

  it("begins anew where another one begins", () => {
    expect(writing(piece(0, "The dead node's"), piece(0, "Another")).draft?.text).toBe("Another");
    expect(writing(piece(0, "Mine"), piece(0, "Yours", "data")).draft).toEqual({ agent: "data", text: "Yours" });
  });

  it("is gone with the next event and never comes after the end", () => {
    expect(fold(writing(piece(0, "Half ")), EVENTS[2] as Event).draft).toBeNull();
    expect(write(foldAll(EVENTS), piece(0, "Late")).draft).toBeNull();
  });
});
