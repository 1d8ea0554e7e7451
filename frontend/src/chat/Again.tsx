import { useState } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Run } from "../api/types";
import type { RunState } from "../live/fold";
import { runs } from "../live/live";
import { Icon } from "../ui/Icon";
import { ProblemNote } from "../ui/parts";

/** A run that has ended never moves: going on from it, or asking again, makes a new one below it. */
export function AgainButtons({ run }: { run: RunState }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const begin = async (how: (runId: string) => Promise<Run>) => {
    setBusy(true);
    setProblem(null);
    try {
      const next = await how(run.id);
      runs.expect(next.id, next.thread_id);
      cache.invalidate(`runs:${next.thread_id}`);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setBusy(false);
  };
  return (
    <div className="again">
      {problem && <ProblemNote problem={problem} />}
      <div className="row">
        {run.status !== "completed" && (
          <button type="button" className="btn small" disabled={busy} onClick={() => void begin(api.resume)}>
            <Icon name="chevron" />
            Go on from here
          </button>
        )}
        <button type="button" className="btn quiet small" disabled={busy} onClick={() => void begin(api.fork)}>
          Ask again
        </button>
      </div>
    </div>
  );
}
