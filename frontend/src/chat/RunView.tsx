import { useEffect, useState } from "react";
import { api } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Report } from "../api/types";
import { milliseconds, prose } from "../format";
import { hasGap, isTerminal, type RunState } from "../live/fold";
import { readWhole, runs, settle, useLink, useRun } from "../live/live";
import { ReportView } from "../report/Report";
import { Icon } from "../ui/Icon";
import { ProblemNote, Skeleton } from "../ui/parts";
import { Activity, draftOf, RunHead } from "./Activity";
import { AgainButtons } from "./Again";
import { Approvals } from "./Approvals";
import { nowLine, stoppedWords } from "./agents";

interface RunViewProps {
  runId: string;
  onAsk: (text: string) => void;
}

/** A run inside the conversation: its progress while it lasts, its report after. */
export function RunView({ runId, onAsk }: RunViewProps) {
  const run = useRun(runId);
  const link = useLink();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [cancelling, setCancelling] = useState(false);
  const known = run !== undefined;
  useEffect(() => {
    const state = runs.get(runId);
    const unseen = !state || hasGap(state);
    const unheard = link !== "live" && state && !isTerminal(state.status);
    if (unseen || unheard) void settle(runId);
  }, [runId, known, link]);

  if (!run) return <Skeleton lines={2} />;
  const cancel = async () => {
    setCancelling(true);
    setProblem(null);
    try {
      await api.cancel(runId);
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setCancelling(false);
    }
  };
  return (
    <div className="run" data-run={run.id} data-status={run.status}>
      <p className="visually-hidden" role="status">
        {said(run, cancelling)}
      </p>
      {problem && <ProblemNote problem={problem} />}
      {isTerminal(run.status) ? (
        <Ended run={run} onAsk={onAsk} />
      ) : (
        <>
          <RunHead run={run} onCancel={() => void cancel()} cancelling={cancelling} />
          <Approvals run={run} />
          <Activity run={run} />
          <Growing run={run} />
        </>
      )}
    </div>
  );
}

/** The answer while it is written; the report takes its place. */
function Growing({ run }: { run: RunState }) {
  const root = run.agents.find((agent) => agent.parent === null);
  const text = root ? draftOf(run, root) : "";
  if (!text) return null;
  return (
    <div className="answer-growing growing" data-draft="answer" aria-hidden="true">
      {text.split("\n").map((line, i) => (
        <p key={i}>{prose(line)}</p>
      ))}
    </div>
  );
}

/** What a screen reader hears while a run goes on and when it ends; silent for runs of long ago. */
function said(run: RunState, cancelling: boolean): string {
  if (!isTerminal(run.status)) return cancelling ? "Stopping" : nowLine(run);
  if (!run.agents.length) return "";
  return run.report ? `The report is here. ${run.report.headline}` : `The run has ${run.status === "failed" ? "failed" : "stopped"}.`;
}

function Ended({ run, onAsk }: { run: RunState; onAsk: (text: string) => void }) {
  return (
    <>
      {run.status === "failed" && (
        <div className="note bad" role="alert">
          <Icon name="warn" />
          <div>
            <strong>This run failed.</strong> {run.error?.message}
            <p className="small">Your data and the conversation are as they were; ask again to try anew.</p>
            {run.error?.code && <code>{run.error.code}</code>}
          </div>
        </div>
      )}
      {run.status === "cancelled" && (
        <div className="note">
          <Icon name="stop" />
          <div>{stoppedWords(run.stopped)} What it did until then is below.</div>
        </div>
      )}
      {run.report && <WholeReport report={run.report} onAsk={onAsk} />}
      <History run={run} open={run.status !== "completed"} />
      <AgainButtons run={run} />
    </>
  );
}

const LONG = 24_000;

/** The report; one that was cut to fit its event can be had whole. */
function WholeReport({ report, onAsk }: { report: Report; onAsk: (text: string) => void }) {
  const [whole, setWhole] = useState<Report | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const id = report.analysis_id;
  const load = async () => {
    setProblem(null);
    if (id) await api.analysis(id).then((found) => setWhole(found.report), (e: unknown) => setProblem(asProblem(e)));
  };
  const long = id && !whole && JSON.stringify(report).length > LONG;
  return (
    <>
      <ReportView report={whole ?? report} onAsk={onAsk} />
      {problem && <ProblemNote problem={problem} retry={() => void load()} />}
      {long && (
        <div className="row">
          <button type="button" className="btn quiet small" onClick={() => void load()}>
            Load every row of this report
          </button>
        </div>
      )}
    </>
  );
}

/** How the answer came about; its events are read when someone wants to see them. */
function History({ run, open }: { run: RunState; open: boolean }) {
  const [shown, setShown] = useState(open);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [attempt, setAttempt] = useState(0);
  const again = () => {
    setProblem(null);
    setAttempt(attempt + 1);
  };
  const whole = run.agents.length > 0;
  useEffect(() => {
    if (shown && !whole) readWhole(run.id).catch((thrown: unknown) => setProblem(asProblem(thrown)));
  }, [shown, whole, run.id, attempt]);
  const took = run.startedAt && run.endedAt ? Date.parse(run.endedAt) - Date.parse(run.startedAt) : null;
  return (
    <details className="history" open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        <Icon name="chevron" className="icon chev" />
        <span>How this was worked out</span>
        {took !== null && <span className="muted small num">{milliseconds(took)}</span>}
      </summary>
      {shown && whole && <Activity run={run} />}
      {shown && !whole && (problem ? <ProblemNote problem={problem} retry={again} /> : <Skeleton lines={2} />)}
    </details>
  );
}
