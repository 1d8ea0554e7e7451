import { useId, useState, type FormEvent, type ReactNode } from "react";
import { asProblem, type Problem } from "../api/problem";
import { ProblemNote } from "../ui/parts";

/** One subject of the page. */
export function Section({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className="card stack setting" aria-labelledby={id}>
      <div>
        <h2 id={id}>{title}</h2>
        <p className="soft">{lead}</p>
      </div>
      {children}
    </section>
  );
}

/** An act that may fail: whether it goes on, and what went wrong. */
export function useAct(): [(work: () => Promise<unknown>) => Promise<boolean>, boolean, Problem | null] {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const act = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
      return true;
    } catch (thrown) {
      setProblem(asProblem(thrown));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return [act, busy, problem];
}

interface SureProps {
  /** Who hears it read knows what it is about. */
  name: string;
  act: string;
  keep: string;
  onAct: () => Promise<unknown>;
  onKeep: () => void;
  ready?: boolean;
  children: ReactNode;
}

/** Says what is about to go for good; nothing goes until that was said twice. */
export function Sure({ name, act, keep, onAct, onKeep, ready = true, children }: SureProps) {
  const [run, busy, problem] = useAct();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready && !busy) void run(onAct);
  };
  return (
    <div className="note warn sure" role="group" aria-label={name}>
      <form className="stack grow" onSubmit={submit}>
        {children}
        {problem && <ProblemNote problem={problem} />}
        <div className="row">
          <button type="submit" className="btn danger" disabled={!ready || busy}>
            {act}
          </button>
          <button type="button" className="btn" disabled={busy} onClick={onKeep} autoFocus>
            {keep}
          </button>
        </div>
      </form>
    </div>
  );
}

/** A button that opens the question whether one is sure, and takes the focus back when one is not. */
export function AskSure({ open, ...sure }: Omit<SureProps, "onKeep"> & { open: string }) {
  const [asked, setAsked] = useState(false);
  const [back, setBack] = useState(false);
  if (asked) {
    const keep = () => {
      setAsked(false);
      setBack(true);
    };
    const act = () => sure.onAct().then(() => setAsked(false));
    return <Sure {...sure} onAct={act} onKeep={keep} />;
  }
  return (
    <div>
      <button type="button" className="btn small" aria-label={sure.name} autoFocus={back} onClick={() => setAsked(true)}>
        {open}
      </button>
    </div>
  );
}
