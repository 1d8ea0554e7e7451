import { useState } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { Opportunity } from "../api/types";
import { Link } from "../app/router";
import { ago } from "../format";
import { leverName, standing } from "../report/levers";
import { OpportunityList } from "../report/Opportunities";
import { Empty, PageHead, ProblemNote, Skeleton } from "../ui/parts";

const STATUSES = ["verified", "needs_evaluation", "loses_money"];

export function OpportunitiesPage() {
  const { data, problem } = useRead("opportunities", api.opportunities);
  return (
    <div className="page stack">
      <PageHead
        title="Opportunities"
        lead="What the newest analyses found, proven changes first. Figures are of each change alone; a report shows them together."
      />
      {problem && <ProblemNote problem={problem} retry={() => void cache.load("opportunities", api.opportunities)} />}
      {!data && !problem && <Skeleton lines={5} />}
      {data?.items.length === 0 && (
        <div className="card">
          <Empty title="None found yet">
            <p>Ask what can be saved; the changes that the replay finds are kept here.</p>
            <Link to="/chat" className="btn primary">
              Ask in the chat
            </Link>
          </Empty>
        </div>
      )}
      {data && data.items.length > 0 && <Found items={data.items} />}
    </div>
  );
}

function Found({ items }: { items: Opportunity[] }) {
  const [status, setStatus] = useState("");
  const [lever, setLever] = useState("");
  const newest = newestOf(items);
  const levers = [...new Set(newest.map((item) => item.lever))];
  const shown = newest
    .filter((item) => (!status || item.status === status) && (!lever || item.lever === lever))
    .sort((a, b) => rank(a) - rank(b) || b.savings_usd.expected - a.savings_usd.expected);
  const at = newest[0]?.created_at;
  return (
    <>
      <div className="row filters">
        <div role="group" aria-label="Standing" className="segments">
          {["", ...STATUSES].map((one) => (
            <button key={one} type="button" aria-pressed={status === one} onClick={() => setStatus(one)}>
              {one ? standing(one).label : "All"}
            </button>
          ))}
        </div>
        <label className="select">
          <span className="visually-hidden">Lever</span>
          <select value={lever} onChange={(event) => setLever(event.target.value)}>
            <option value="">Every lever</option>
            {levers.map((one) => (
              <option key={one} value={one}>
                {leverName(one)}
              </option>
            ))}
          </select>
        </label>
        {at && <span className="muted small">Found {ago(at, Date.now())}</span>}
      </div>
      {shown.length ? (
        <OpportunityList items={shown} level="h2" />
      ) : (
        <p className="soft">Nothing of this kind was found. Choose another standing or lever.</p>
      )}
    </>
  );
}

/** Proven ones first, then those that wait for an evaluation, then those that lose. */
function rank(item: Opportunity): number {
  const at = STATUSES.indexOf(item.status);
  return at < 0 ? STATUSES.length : at;
}

/** The same change found by several analyses is shown once, as the newest has it. */
function newestOf(items: Opportunity[]): Opportunity[] {
  const byPlace = new Map<string, Opportunity>();
  const sorted = [...items].sort((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""));
  for (const item of sorted) {
    const place = `${item.lever} ${JSON.stringify(item.scope)}`;
    if (!byPlace.has(place)) byPlace.set(place, item);
  }
  return [...byPlace.values()];
}
