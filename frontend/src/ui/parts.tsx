import { useEffect, useRef, useState, type ReactNode } from "react";
import type { Problem } from "../api/problem";
import { Peak } from "./Contours";
import { saveAs } from "../api/http";
import { Icon } from "./Icon";

/** What went wrong, what to do, and a way to try again. */
export function ProblemNote({ problem, retry }: { problem: Problem; retry?: () => void }) {
  return (
    <div className="note bad" role="alert">
      <Icon name="warn" />
      <div className="grow">
        <strong>{problem.message}</strong>
        {problem.hint && <p className="small">{problem.hint}</p>}
        {problem.code && problem.code !== "offline" && (
          <p className="small muted">
            Code <code>{problem.code}</code>
          </p>
        )}
      </div>
      {retry && (
        <button type="button" className="btn small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="empty">
      <Peak />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div className="stack" role="status">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="skeleton" style={{ width: `${96 - i * 13}%`, height: 18 }} />
      ))}
    </div>
  );
}

export function ProgressBar({ label, value }: { label: string; value: number | null }) {
  const known = value === null ? {} : { "aria-valuenow": Math.round(value * 100) };
  return (
    <div
      className={value === null ? "progress busy" : "progress"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...known}
    >
      <span style={value === null ? {} : { width: `${(value * 100).toFixed(1)}%` }} />
    </div>
  );
}

/** Copies text; says so for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<"idle" | "done" | "failed">("idle");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    const ok = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    setState(ok ? "done" : "failed");
    timer.current = setTimeout(() => setState("idle"), 2200);
  };
  return (
    <button type="button" className="btn small" onClick={() => void copy()}>
      <Icon name={state === "done" ? "check" : "copy"} />
      <span aria-live="polite">
        {state === "idle" ? label : state === "done" ? "Copied" : "Select the text to copy it"}
      </span>
    </button>
  );
}

/** Saves text as a file. */
export function SaveButton({ text, name }: { text: string; name: string }) {
  const save = () => saveAs(new Blob([text], { type: "text/plain" }), name);
  return (
    <button type="button" className="btn small" onClick={save} aria-label={`Download ${name}`} title={name}>
      <Icon name="download" />
      Download
    </button>
  );
}

/** Now, every second while `running`. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

export function PageHead({
  title,
  lead,
  children,
}: {
  title: string;
  lead?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p>{lead}</p>}
      </div>
      {children && <div className="row">{children}</div>}
    </header>
  );
}
