import { useRead } from "../api/cache";
import { api } from "../api/client";
import type { Page, Run } from "../api/types";
import { RunView } from "./RunView";

/** The runs that were begun from one that had ended, each with those begun from it. */
export function RunsAfter({ runId, threadId, onAsk }: { runId: string; threadId: string; onAsk: (text: string) => void }) {
  const { data } = useRead<Page<Run>>(`runs:${threadId}`, () => api.runsOf(threadId));
  const after = (data?.items ?? []).filter((run) => run.forked_from === runId).reverse();
  return after.map((run) => (
    <div key={run.id} className="run-after">
      <p className="muted small">Once more: {run.question}</p>
      <RunView runId={run.id} onAsk={onAsk} />
      <RunsAfter runId={run.id} threadId={threadId} onAsk={onAsk} />
    </div>
  ));
}
