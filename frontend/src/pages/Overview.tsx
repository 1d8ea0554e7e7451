import { useState } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { AnalysisHead, BreakdownRow, UsageSummary } from "../api/types";
import { go, Link } from "../app/router";
import { ago, compact, count, day, percent, period, prose, usd } from "../format";
import { send } from "../live/outbox";
import { Plot } from "../plots/Plot";
import { nameOf } from "../usage/Table";
import { Spend, Tile, Unpriced } from "../usage/Totals";
import { Icon, type IconName } from "../ui/Icon";
import { Empty, PageHead, ProblemNote, Skeleton } from "../ui/parts";

const HOUR_MS = 3_600_000;

export function OverviewPage() {
  const { data, problem } = useRead("summary", api.summary);
  return (
    <div className="page stack overview">
      <PageHead
        title="Overview"
        lead={data && data.requests > 0 ? period(data.first, data.last) : "What your AI costs, and what it could."}
      >
        {data && data.requests > 0 && (
          <Link to="/chat" className="btn primary">
            Ask a question
          </Link>
        )}
      </PageHead>
      {problem && <ProblemNote problem={problem} retry={() => void cache.load("summary", api.summary)} />}
      {!data && !problem && <Skeleton lines={5} />}
      {data?.requests === 0 && <Begin />}
      {data && data.requests > 0 && <Filled summary={data} />}
    </div>
  );
}

function Begin() {
  return (
    <div className="card">
      <Empty title="Begin with your own calls">
        <p>Bring a file of LLM calls; a minute later you know what they cost and what they could.</p>
        <Link to="/data" className="btn primary">
          <Icon name="upload" />
          Bring a file
        </Link>
        <p className="small">
          No file at hand? <code>apex generate</code> writes one with waste to find.
        </p>
      </Empty>
    </div>
  );
}

function Filled({ summary }: { summary: UsageSummary }) {
  const cached = summary.input_tokens ? (summary.cached_input_tokens / summary.input_tokens) * 100 : 0;
  return (
    <>
      <dl className="tiles">
        <Spend summary={summary} />
        <Tile label="Calls" value={compact(summary.requests)} note={`${count(summary.requests)} in the period`} />
        <Tile label="Input tokens" value={compact(summary.input_tokens)} note={`${percent(cached)} from cache`} />
        <Tile
          label="Output tokens"
          value={compact(summary.output_tokens)}
          note={`${count(summary.output_tokens / summary.requests)} a call`}
        />
      </dl>
      <Unpriced summary={summary} />
      <SpendOverTime summary={summary} />
      <div className="two">
        <Breakdown />
        <Next />
      </div>
    </>
  );
}

function SpendOverTime({ summary }: { summary: UsageSummary }) {
  const span = Date.parse(summary.last ?? "") - Date.parse(summary.first ?? "");
  const by = span > 72 * HOUR_MS ? "day" : "hour";
  const { data, problem } = useRead(`breakdown:${by}`, () => api.breakdown(by));
  if (problem) return <ProblemNote problem={problem} retry={() => cache.invalidate(`breakdown:${by}`)} />;
  if (!data) return <div className="card skeleton tall" />;
  const rows = [...data.items].sort((a, b) => a.key.localeCompare(b.key));
  const label = (key: string) => (by === "day" ? day(key) : `${key.slice(11, 13)}:00`);
  return (
    <section className="card">
      <Plot
        heading={<h2>Spend by {by}</h2>}
        plot={{
          title: `Spend by ${by}`,
          kind: rows.length > 40 ? "line" : "bar",
          unit: "usd",
          x: rows.map((row) => label(row.key)),
          series: [{ label: "Spend", values: rows.map((row) => row.cost_usd) }],
        }}
      />
    </section>
  );
}

const WAYS = [
  { by: "model", label: "Model" },
  { by: "feature", label: "Feature" },
  { by: "provider", label: "Provider" },
];

function Breakdown() {
  const [by, setBy] = useState("model");
  const { data, problem } = useRead(`breakdown:${by}`, () => api.breakdown(by));
  return (
    <section className="card stack">
      <div className="row between">
        <h2>Where it goes</h2>
        <div role="group" aria-label="Split by" className="segments">
          {WAYS.map((way) => (
            <button key={way.by} type="button" aria-pressed={by === way.by} onClick={() => setBy(way.by)}>
              {way.label}
            </button>
          ))}
        </div>
      </div>
      {problem && <ProblemNote problem={problem} retry={() => cache.invalidate(`breakdown:${by}`)} />}
      {!data && !problem && <Skeleton lines={4} />}
      {data && <Shares rows={data.items} by={by} />}
      <Link to={`/usage?by=${by}`}>Look closer</Link>
    </section>
  );
}

function Shares({ rows, by }: { rows: BreakdownRow[]; by: string }) {
  const total = rows.reduce((sum, row) => sum + row.cost_usd, 0);
  const sorted = [...rows].sort((a, b) => b.cost_usd - a.cost_usd);
  const top = sorted.slice(0, 7);
  const rest = sorted.slice(7).reduce((sum, row) => sum + row.cost_usd, 0);
  const shown = top.map((row) => ({ name: nameOf(row.key, by), cost: row.cost_usd }));
  if (sorted.length > 7) shown.push({ name: `${sorted.length - 7} more`, cost: rest });
  return (
    <ul className="bars">
      {shown.map(({ name, cost }) => (
        <li key={name}>
          <span className="name" title={name}>
            {name}
          </span>
          <span className="num">
            {usd(cost)} <span className="muted small">{percent(total ? (cost / total) * 100 : 0)}</span>
          </span>
          <span className="track">
            <span className="paid" style={{ width: `${total ? (cost / total) * 100 : 0}%` }} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Next() {
  const { data } = useRead("opportunities:newest", api.newestAnalysis);
  const newest = data?.items[0];
  const ask = (text: string) => {
    go("/chat");
    send(text, null, (id) => go(`/chat/${encodeURIComponent(id)}`, { replace: true }));
  };
  return (
    <section className="card stack">
      <h2>What next</h2>
      {newest && <Newest analysis={newest} />}
      <ul className="next">
        {!newest && (
          <NextStep icon="spark" text="Find out what can be saved" onClick={() => ask("What can we save without losing quality?")} />
        )}
        <NextStep icon="eye" text="Audit the prompt caching" onClick={() => ask("Audit every use of prompt caching.")} />
        {newest && <NextStep icon="spark" text="See every opportunity" onClick={() => go("/opportunities")} />}
        <NextStep icon="data" text="Bring more data" onClick={() => go("/data")} />
      </ul>
    </section>
  );
}

function Newest({ analysis }: { analysis: AnalysisHead }) {
  return (
    <p className="newest">
      <span className="muted small">Last answer, {ago(analysis.created_at, Date.now())}</span>
      <Link to={`/reports/${encodeURIComponent(analysis.id)}`}>{prose(analysis.headline)}</Link>
    </p>
  );
}

function NextStep({ icon, text, onClick }: { icon: IconName; text: string; onClick: () => void }) {
  return (
    <li>
      <button type="button" onClick={onClick}>
        <Icon name={icon} />
        <span className="grow">{text}</span>
        <Icon name="chevron" />
      </button>
    </li>
  );
}
