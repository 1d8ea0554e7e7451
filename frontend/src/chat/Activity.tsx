import { elapsed, milliseconds, prose } from "../format";
import { isTerminal, type AgentState, type RunState, type Step } from "../live/fold";
import { Icon } from "../ui/Icon";
import { useNow } from "../ui/parts";
import { agentDoes, agentName, argsText, nowLine, resultText, toolName } from "./agents";

/** The live head of a run: what happens now, since when, and the way to stop it. */
export function RunHead({ run, onCancel, cancelling }: {
  run: RunState;
  onCancel: () => void;
  cancelling: boolean;
}) {
  const now = useNow(true);
  const since = run.startedAt ? Math.max(0, now - Date.parse(run.startedAt)) : 0;
  return (
    <div className="run-head">
      <span className="orbit" aria-hidden="true">
        <span />
      </span>
      <div className="grow">
        <strong>{cancelling ? "Stopping" : nowLine(run)}</strong>
        <span className="small muted num">{elapsed(since)}</span>
      </div>
      <button type="button" className="btn small" onClick={onCancel} disabled={cancelling}>
        <Icon name="stop" />
        Stop
      </button>
    </div>
  );
}

/** Every agent of a run with what it thought and which tools it used. */
export function Activity({ run }: { run: RunState }) {
  const agents = run.agents;
  return (
    <ol className="trail" aria-label="What the agents did">
      {agents.map((agent, i) => (
        <AgentItem
          key={`${agent.name} ${i}`}
          agent={agent}
          live={!isTerminal(run.status)}
          draft={agent.state === "running" && agent.parent !== null ? draftOf(run, agent) : ""}
        />
      ))}
    </ol>
  );
}

/** What this agent is writing at the moment. */
export function draftOf(run: RunState, agent: AgentState): string {
  return run.draft?.agent === agent.name ? run.draft.text : "";
}

function AgentItem({ agent, live, draft }: { agent: AgentState; live: boolean; draft: string }) {
  return (
    <li className={`agent ${agent.state}`} data-agent={agent.name}>
      <span className="knot" aria-hidden="true">
        {agent.state === "completed" && <Icon name="check" />}
        {(agent.state === "failed" || agent.state === "cancelled") && <Icon name="cross" />}
      </span>
      <div className="agent-head">
        <strong>{agentName(agent.name)}</strong>
        <span className="soft">{agentDoes(agent)}</span>
        <span className="small muted num">
          {agent.state === "running" ? (live ? "working" : "") : agentEnd(agent)}
        </span>
      </div>
      {(agent.steps.length > 0 || draft) && (
        <ol className="steps-of">
          {agent.steps.map((step, i) => (
            <StepItem key={i} step={step} />
          ))}
          {draft && (
            <li className="thought growing" data-draft={agent.name}>
              {prose(draft)}
            </li>
          )}
        </ol>
      )}
    </li>
  );
}

function agentEnd(agent: AgentState): string {
  if (agent.state === "cancelled") return "stopped";
  if (agent.state === "failed") return "failed";
  return agent.durationMs === null ? "" : milliseconds(agent.durationMs);
}

function StepItem({ step }: { step: Step }) {
  if (step.kind === "thought") return <li className="thought">{prose(step.text)}</li>;
  const result = resultText(step);
  return (
    <li className={`tool ${step.state}`}>
      <span className="tool-name">
        <Icon name="tool" />
        {toolName(step.tool)}
        <span className="visually-hidden">
          {step.state === "running" ? ", running" : step.state === "ok" ? ", done" : ", failed"}
        </span>
      </span>
      <span className="muted small tool-args">{argsText(step.args)}</span>
      <span className="small muted num">
        {step.state === "running" ? "…" : milliseconds(step.durationMs ?? 0)}
      </span>
      {result && <span className={step.error ? "tool-out wrong" : "tool-out"}>{result}</span>}
    </li>
  );
}
