import { useEffect, useId, useState, type FormEvent } from "react";
import { cache, useRead } from "../api/cache";
import { api as usage } from "../api/client";
import type { BreakdownRow, Page, Removal, UsageSummary } from "../api/types";
import { clock, period, usd } from "../format";
import { labelOf, NARROWING, type Narrowing } from "../usage/choice";
import { Field } from "../ui/Field";
import { ProblemNote, ProgressBar, Skeleton } from "../ui/parts";
import { api } from "./api";
import { Section, Sure, useAct } from "./parts";
import { calls, chosenWords, erasing, goesOn, queryOfChosen, toldWords, whichWords, type Chosen } from "./words";

const NOTHING: Chosen = { from: "", until: "", by: "", value: "" };
const LOOK_AGAIN_MS = 500;

/** Takes calls out for good: of some days, of a name, or all of them. */
export function Remove({ manages }: { manages: boolean }) {
  return (
    <Section
      title="Remove calls"
      lead="Calls of some days, of one user, feature or other name, or all of them. They are gone for good, also from the disk; your own backups are yours to clear."
    >
      {manages ? <Choose /> : <p className="soft small">An owner or admin of the workspace can do this.</p>}
      <Removals />
    </Section>
  );
}

function Choose() {
  const [chosen, setChosen] = useState(NOTHING);
  const [found, setFound] = useState<UsageSummary | null>(null);
  const [back, setBack] = useState(false);
  const [act, busy, problem] = useAct();
  const change = (part: Partial<Chosen>) => setChosen({ ...chosen, ...part });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => setFound(await usage.summaryOf(queryOfChosen(chosen))));
  };
  const close = () => {
    setBack(true);
    setFound(null);
  };
  const erase = async () => {
    await api.erase(erasing(chosen));
    close();
    setChosen(NOTHING);
    cache.invalidate("settings:removals");
  };
  if (found?.requests) {
    const all = "everything" in erasing(chosen);
    return <SureOfCalls found={found} which={chosenWords(chosen)} all={all} onAct={erase} onKeep={close} />;
  }
  return (
    <form className="stack" onSubmit={submit} onChange={() => setFound(null)} aria-label="Calls to remove">
      <div className="line-form">
        <Field label="First day" type="date" value={chosen.from} max={chosen.until || undefined} onChange={(event) => change({ from: event.target.value })} />
        <Field label="Last day" type="date" value={chosen.until} min={chosen.from || undefined} onChange={(event) => change({ until: event.target.value })} />
        <label className="field">
          <span className="label">Only of</span>
          <select
            className="input"
            value={chosen.by}
            onChange={(event) => change({ by: event.target.value as Chosen["by"], value: "" })}
          >
            <option value="">anything</option>
            {NARROWING.map((by) => (
              <option key={by} value={by}>
                {labelOf(by).toLowerCase()}
              </option>
            ))}
          </select>
        </label>
        {chosen.by && <Named key={chosen.by} by={chosen.by} value={chosen.value} onChange={(value) => change({ value })} />}
        <button type="submit" className="btn" autoFocus={back} disabled={busy || Boolean(chosen.by && !chosen.value)}>
          Count them
        </button>
      </div>
      <p className="small soft" role="status" hidden={!found}>
        {found && "No call fits, so there is nothing to remove."}
      </p>
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}

interface SureOfCallsProps {
  found: UsageSummary;
  which: string;
  all: boolean;
  onAct: () => Promise<void>;
  onKeep: () => void;
}

function SureOfCalls({ found, which, all, ...on }: SureOfCallsProps) {
  return (
    <Sure name="Remove these calls" act={`Remove ${calls(found.requests)}`} keep="Keep them" {...on}>
      <p>
        <strong>{all ? "Every call of this workspace" : which}:</strong> {calls(found.requests)},{" "}
        {period(found.first, found.last)}, {usd(found.cost_usd)}. They will be gone for good; reports that were made of them stay.
      </p>
    </Sure>
  );
}

/** A name that calls of the workspace have: one of the dearest, which are listed, or any other, typed. */
function Named({ by, value, onChange }: { by: Narrowing; value: string; onChange: (value: string) => void }) {
  const { data, problem } = useRead<Page<BreakdownRow>>(`breakdown:${by}`, () => usage.breakdown(by));
  const list = useId();
  return (
    <>
      <Field
        label={`Which ${labelOf(by).toLowerCase()}`}
        list={list}
        autoComplete="off"
        placeholder="as the calls name it"
        wrong={problem?.message}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {data?.items.map((row) => <option key={row.key} value={row.key} />)}
      </datalist>
    </>
  );
}

/** What was removed and what is being removed, newest first. */
function Removals() {
  const { data, problem } = useRead("settings:removals", api.removals);
  const open = (data?.items ?? []).some(goesOn);
  useEffect(() => {
    if (!open) return undefined;
    const timer = setInterval(() => cache.invalidate("settings:removals"), LOOK_AGAIN_MS);
    return () => {
      clearInterval(timer);
      for (const prefix of ["summary", "breakdown", "settings:retention"]) cache.invalidate(prefix);
    };
  }, [open]);
  if (problem) return <ProblemNote problem={problem} retry={() => cache.invalidate("settings:removals")} />;
  if (!data) return <Skeleton lines={1} />;
  if (!data.items.length) return <p className="soft small">Nothing was removed so far.</p>;
  return (
    <ul className="lines" aria-label="Removals" aria-live="polite">
      {data.items.map((removal) => (
        <RemovalLine key={removal.removal_id} removal={removal} />
      ))}
    </ul>
  );
}

function RemovalLine({ removal }: { removal: Removal }) {
  const which = whichWords(removal.chosen);
  return (
    <li data-status={removal.status}>
      <div className="grow">
        <strong>{which}</strong>
        <p className={removal.status === "failed" ? "small wrong" : "small soft"}>{toldWords(removal)}</p>
        {goesOn(removal) && <ProgressBar label={which} value={null} />}
      </div>
      <span className="small muted">
        {removal.kind === "retention" ? "by age, " : ""}
        {clock(removal.created_at)}
      </span>
    </li>
  );
}
