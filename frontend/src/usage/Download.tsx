import { useState } from "react";
import { download } from "../api/http";
import { asProblem, type Problem } from "../api/problem";
import { Icon } from "../ui/Icon";
import { ProblemNote } from "../ui/parts";

const FORMATS = [
  { format: "csv", label: "CSV", meaning: "Each call, as CSV" },
  { format: "parquet", label: "Parquet", meaning: "Each call, as Parquet" },
  { format: "focus", label: "FOCUS", meaning: "Cost by day in FOCUS columns, as CSV" },
];

/** The chosen calls as a file. */
export function Download({ query }: { query: string }) {
  const [busy, setBusy] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const fetchIt = async (format: string) => {
    setBusy(format);
    setProblem(null);
    await download(`/api/usage/export?format=${format}${query && `&${query}`}`).catch((thrown: unknown) =>
      setProblem(asProblem(thrown)),
    );
    setBusy(null);
  };
  return (
    <section className="stack downloads" aria-label="Download">
      <div className="row">
        <h2>Download these calls</h2>
        {FORMATS.map(({ format, label, meaning }) => (
          <button
            key={format}
            type="button"
            className="btn small"
            title={meaning}
            disabled={busy !== null}
            onClick={() => void fetchIt(format)}
          >
            <Icon name="download" />
            {busy === format ? "Writing…" : label}
          </button>
        ))}
      </div>
      <p className="small muted">
        CSV and Parquet hold a line for each call with its cost; FOCUS sums cost by day, model, team, feature and user.
      </p>
      {problem && <ProblemNote problem={problem} />}
    </section>
  );
}
