import type { Event, Report, RunStatus, TextDelta } from "../api/types";

export interface Thought {
  kind: "thought";
  text: string;
}

export interface ToolCall {
  kind: "tool";
  callId: string;
  tool: string;
  args: Record<string, unknown>;
  state: "running" | "ok" | "failed";
  durationMs: number | null;
  result: unknown;
  error: string | null;
}

export type Step = Thought | ToolCall;

export interface AgentState {
  name: string;
  parent: string | null;
  message: string;
  state: "running" | "completed" | "failed" | "cancelled";
  startedAt: string;
  endedAt: string | null;
  durationMs: number | null;
  steps: readonly Step[];
}

export interface Draft {
  agent: string;
  /** As far as it is known without a hole. */
  text: string;
  /** A piece behind a hole: what lies between has to be read. */
  ahead?: Piece;
}

interface Piece {
  offset: number;
  text: string;
}

/** What is known of a run: the fold of its events 1…runSeq, without a gap. */
export interface RunState {
  id: string;
  threadId: string;
  runSeq: number;
  status: RunStatus;
  startedAt: string | null;
  endedAt: string | null;
  agents: readonly AgentState[];
  report: Report | null;
  error: { code: string; message: string } | null;
  /** Why it was cancelled, where its events are known. */
  stopped: string | null;
  /** What an agent is writing now; gone with the next event. */
  draft: Draft | null;
  /** Events that came before their turn, by run_seq. */
  early: ReadonlyMap<number, Event>;
}

export function newRun(id: string, threadId: string): RunState {
  return {
    id,
    threadId,
    runSeq: 0,
    status: "pending",
    startedAt: null,
    endedAt: null,
    agents: [],
    report: null,
    error: null,
    stopped: null,
    draft: null,
    early: new Map(),
  };
}

export function isTerminal(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** Take an event in whatever order and however often it comes: the result is the same. */
export function fold(run: RunState, event: Event): RunState {
  if (event.run_seq <= run.runSeq || run.early.has(event.run_seq)) return run;
  if (event.run_seq > run.runSeq + 1) {
    return { ...run, early: new Map(run.early).set(event.run_seq, event) };
  }
  let next = apply(run, event);
  if (!run.early.size) return next;
  const early = new Map(run.early);
  for (let due = early.get(next.runSeq + 1); due; due = early.get(next.runSeq + 1)) {
    early.delete(due.run_seq);
    next = apply(next, due);
  }
  return { ...next, early };
}

/**
 * Let what an agent is writing grow. The socket and an event stream may both tell it, each from its
 * own beginning: what is known changes nothing, and a piece with a hole before it waits for the rest.
 */
export function write(run: RunState, delta: TextDelta): RunState {
  if (isTerminal(run.status)) return run;
  const draft: Draft = run.draft?.agent === delta.agent_name ? run.draft : { agent: delta.agent_name, text: "" };
  const text = joined({ offset: 0, text: draft.text }, delta)?.text;
  if (text === undefined) {
    const ahead = (draft.ahead && joined(draft.ahead, delta)) ?? delta;
    return { ...run, draft: { ...draft, ahead: { offset: ahead.offset, text: ahead.text } } };
  }
  if (draft.text.startsWith(text)) return run;
  const grown = { agent: draft.agent, text };
  if (!draft.ahead || !text.startsWith(draft.text)) return { ...run, draft: grown }; // another text
  const whole = joined({ offset: 0, text }, draft.ahead);
  if (!whole) return { ...run, draft: { ...grown, ahead: draft.ahead } };
  return { ...run, draft: whole.text.length > text.length ? { ...grown, text: whole.text } : grown };
}

/** A piece cut where the next one begins, and that one; null where a hole lies between them. */
function joined(piece: Piece, next: Piece): Piece | null {
  const before = Array.from(piece.text); // offsets count characters, not UTF-16 units
  const at = next.offset - piece.offset;
  if (at < 0 || at > before.length) return null;
  return { offset: piece.offset, text: before.slice(0, at).join("") + next.text };
}

/** True when a piece of what is being written is known that comes after one that is not. */
export function hasTextGap(run: RunState): boolean {
  return run.draft?.ahead !== undefined;
}

/** True when events are known that came after ones that are not. */
export function hasGap(run: RunState): boolean {
  return run.early.size > 0;
}

function apply(run: RunState, event: Event): RunState {
  const begun = event.run_seq === 1 ? event.timestamp : run.startedAt; // until then it had waited
  const next = { ...run, runSeq: event.run_seq, startedAt: begun, draft: null };
  const payload = event.payload;
  switch (event.type) {
    case "agent_started":
      return {
        ...next,
        status: isTerminal(run.status) ? run.status : "running",
        agents: [...run.agents, started(event)],
      };
    case "agent_thinking":
      return step(next, event, (steps) => [
        ...steps,
        { kind: "thought", text: String(payload["thought"] ?? "") },
      ]);
    case "tool_executing":
      return step(next, event, (steps) => [...steps, executing(payload)]);
    case "tool_completed":
      return step(next, event, (steps) => steps.map((old) => finished(old, payload)));
    case "agent_completed":
      return completed(next, event);
    case "agent_error":
      return ended(next, event, "failed", {
        code: String(payload["code"] ?? ""),
        message: String(payload["message"] ?? ""),
      });
    case "run_cancelled":
      return { ...ended(next, event, "cancelled", null), stopped: String(payload["reason"] ?? "") };
    default:
      return next; // a newer server may add kinds; they change nothing here
  }
}

function started(event: Event): AgentState {
  const parent = event.payload["parent_agent"];
  return {
    name: event.agent_name,
    parent: typeof parent === "string" ? parent : null,
    message: String(event.payload["message"] ?? ""),
    state: "running",
    startedAt: event.timestamp,
    endedAt: null,
    durationMs: null,
    steps: [],
  };
}

function executing(payload: Record<string, unknown>): ToolCall {
  return {
    kind: "tool",
    callId: String(payload["call_id"]),
    tool: String(payload["tool_name"]),
    args: (payload["args"] ?? {}) as Record<string, unknown>,
    state: "running",
    durationMs: null,
    result: null,
    error: null,
  };
}

function finished(old: Step, payload: Record<string, unknown>): Step {
  if (old.kind !== "tool" || old.callId !== payload["call_id"] || old.state !== "running") return old;
  return {
    ...old,
    state: payload["ok"] === true ? "ok" : "failed",
    durationMs: Number(payload["duration_ms"] ?? 0),
    result: payload["result"] ?? null,
    error: typeof payload["error"] === "string" ? payload["error"] : null,
  };
}

function openAgent(run: RunState, name: string): number {
  return run.agents.findLastIndex((agent) => agent.name === name && agent.state === "running");
}

function replaceAgent(run: RunState, at: number, change: (agent: AgentState) => AgentState): RunState {
  return { ...run, agents: run.agents.map((agent, i) => (i === at ? change(agent) : agent)) };
}

function step(run: RunState, event: Event, change: (steps: readonly Step[]) => readonly Step[]): RunState {
  return replaceAgent(run, openAgent(run, event.agent_name), (agent) => ({
    ...agent,
    steps: change(agent.steps),
  }));
}

function completed(run: RunState, event: Event): RunState {
  const status = event.payload["status"];
  const state = status === "failed" || status === "cancelled" ? status : "completed";
  const at = openAgent(run, event.agent_name);
  const next = replaceAgent(run, at, (agent) => ({
    ...agent,
    state,
    endedAt: event.timestamp,
    durationMs: Number(event.payload["duration_ms"] ?? 0),
  }));
  if (at < 0 || run.agents[at]?.parent !== null) return next;
  const result = event.payload["result"] as { report?: Report } | null | undefined;
  return { ...next, status: state, endedAt: event.timestamp, report: result?.report ?? run.report };
}

function ended(
  run: RunState,
  event: Event,
  status: "failed" | "cancelled",
  error: RunState["error"],
): RunState {
  const agents = run.agents.map((agent) =>
    agent.state === "running" ? { ...agent, state: status, endedAt: event.timestamp } : agent,
  );
  return { ...run, agents, status, error, endedAt: event.timestamp };
}
