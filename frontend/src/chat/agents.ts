import type { AgentState, RunState, Step } from "../live/fold";
import { cell, prose, words } from "../format";
import { labelOf, unitOf } from "../report/patch";

/** What each agent does, in the present. */
const DOES: Record<string, string> = {
  supervisor: "Leads the run",
  triage: "Reads your question",
  data: "Reads your usage",
  optimization: "Replays your traffic",
  actions: "Writes the changes",
  reporting: "Writes the report",
};

/** The tool by which an agent asks the run's author. */
const ASKS = "request_approval";

/** The call by which a run asks its author now; null when it asks nothing. */
export function askingCall(run: RunState): string | null {
  for (const agent of run.agents) {
    for (const step of agent.steps) {
      if (step.kind === "tool" && step.tool === ASKS && step.state === "running") return step.callId;
    }
  }
  return null;
}

export function agentName(name: string): string {
  return words(name);
}

export function agentDoes(agent: AgentState): string {
  return DOES[agent.name] ?? agent.message;
}

/** The agent that acts now: the one opened last that has not ended. */
export function acting(run: RunState): AgentState | undefined {
  return run.agents.findLast((agent) => agent.state === "running");
}

/** One line for what happens now. */
export function nowLine(run: RunState): string {
  const agent = acting(run);
  if (!agent) return run.status === "pending" ? "Starting" : "Finishing";
  const step = agent.steps.at(-1);
  const who = agentName(agent.name);
  if (step?.kind === "tool" && step.state === "running" && step.tool === ASKS) return "Waiting for your decision";
  if (step?.kind === "tool" && step.state === "running") return `${who} uses ${toolName(step.tool)}`;
  return agent.parent === null ? agentDoes(agent) : `${who}: ${lowerFirst(agentDoes(agent))}`;
}

/** Who stopped a run; where its events are not known yet, only that it was stopped. */
export function stoppedWords(reason: string | null): string {
  if (reason === "cancelled by the user") return "You stopped this run.";
  if (reason === "interrupted by a new message") return "Your next question stopped this run.";
  return "This run was stopped.";
}

export function toolName(tool: string): string {
  return words(tool).toLowerCase();
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Arguments of a tool in a few words. */
export function argsText(args: Record<string, unknown>): string {
  const parts = Object.entries(args)
    .filter(([, value]) => !isEmpty(value))
    .map(([name, value]) => `${words(name).toLowerCase()} ${short(value)}`);
  return clip(parts.join(", "), 110);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function short(value: unknown): string {
  if (typeof value === "string") return prose(value);
  if (Array.isArray(value)) return value.map(short).join(" and ");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value)
      .map(([name, inner]) => `${name} ${short(inner)}`)
      .join(" ");
  }
  return String(value);
}

/** A tool's answer in a few words, when it is short enough to be one. */
export function resultText(step: Step): string {
  if (step.kind !== "tool") return "";
  if (step.error) return clip(step.error, 200);
  const result = step.result;
  if (result === null || result === undefined) return "";
  if (typeof result === "object" && !Array.isArray(result)) {
    const known = new Set(Object.values(step.args));
    const plain = Object.entries(result).filter(
      ([, v]) => ["string", "number", "boolean"].includes(typeof v) && v !== "" && !known.has(v),
    );
    return clip(plain.map(([k, v]) => `${labelOf(k).toLowerCase()} ${cell(v, unitOf(k))}`).join(", "), 160);
  }
  return typeof result === "string" || typeof result === "number" ? clip(cell(result), 160) : "";
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
