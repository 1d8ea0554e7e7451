import { useEffect, useRef, useState } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Approval } from "../api/types";
import type { RunState } from "../live/fold";
import { Icon } from "../ui/Icon";
import { ProblemNote } from "../ui/parts";
import { argsText, askingCall } from "./agents";

const AGAIN_MS = 250;
const AGAIN_AT_MOST_MS = 4000;

/** What this run waits for its author to decide; it waits as long as that takes. */
export function Approvals({ run }: { run: RunState }) {
  const asking = askingCall(run);
  // Read for each request anew: what is known of an earlier one may have been decided elsewhere.
  const key = asking === null ? null : `approvals:${asking}`;
  const { data, loading } = useRead(key, api.approvals);
  const mine = asking ? (data?.items ?? []).filter((one) => one.run_id === run.id) : [];
  const missing = key !== null && !loading && mine.length === 0;
  const tries = useRef(0);
  useEffect(() => {
    tries.current = 0;
  }, [key]);
  useEffect(() => {
    if (!missing) return undefined; // the event may be here before the request, or the server away
    const wait = Math.min(AGAIN_MS * 2 ** tries.current++, AGAIN_AT_MOST_MS);
    const timer = setTimeout(() => cache.invalidate(key), wait);
    return () => clearTimeout(timer);
  }, [missing, key]);
  return mine.map((one) => <Question key={one.id} approval={one} />);
}

function Question({ approval }: { approval: Approval }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    card.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const decide = async (approve: boolean) => {
    setBusy(true);
    setProblem(null);
    await api.decide(approval.id, approve).catch((thrown: unknown) => setProblem(asProblem(thrown)));
    cache.invalidate("approvals:");
    setBusy(false);
  };
  const detail = argsText(approval.detail);
  return (
    <section ref={card} className="note warn approval" aria-label="The run asks you" data-approval={approval.id}>
      <Icon name="info" />
      <div className="grow">
        <strong>{approval.title}</strong>
        {detail && <p className="small">{detail}</p>}
        {problem && <ProblemNote problem={problem} />}
        <div className="row">
          <button type="button" className="btn primary small" disabled={busy} onClick={() => void decide(true)}>
            Approve
          </button>
          <button type="button" className="btn small" disabled={busy} onClick={() => void decide(false)}>
            Refuse
          </button>
        </div>
      </div>
    </section>
  );
}
