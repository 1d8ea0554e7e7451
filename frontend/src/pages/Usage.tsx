import { useEffect, useRef, useState } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { BreakdownRow, Page, UsageSummary } from "../api/types";
import { go, Link, useSearch } from "../app/router";
import { compact, count, percent, period } from "../format";
import { Plot } from "../plots/Plot";
import { addressOf, isTime, labelOf, queryOf, readChoice, type Choice } from "../usage/choice";
import { Controls } from "../usage/Controls";
import { Download } from "../usage/Download";
import { MEASURES, measureOf, sorted } from "../usage/measures";
import { BreakdownTable, nameOf } from "../usage/Table";
import { Empty, PageHead, ProblemNote, Skeleton } from "../ui/parts";
import { Spend, Tile, Unpriced } from "../usage/Totals";

const MOST_GROUPS = 1000;
const IN_PLOT = 12;

export function UsagePage() {
  const { data: whole, problem } = useRead("summary", api.summary);
  const choice = readChoice(useSearch());
  return (
    <div className="page stack usage-page">
      <PageHead
        title="Usage"
        lead="Who and what spends, call by call. Choose a name to look within it; the address of this page keeps your choice."
      />
      {problem && <ProblemNote problem={problem} retry={() => void cache.load("summary", api.summary)} />}
      {!whole && !problem && <Skeleton lines={5} />}
      {whole?.requests === 0 && (
        <div className="card">
          <Empty title="No calls yet">
            <p>Bring a file of LLM calls, and this page says where their cost goes.</p>
            <Link to="/data" className="btn primary">
              Bring a file
            </Link>
          </Empty>
        </div>
      )}
      {whole && whole.requests > 0 && (
        <>
          <Controls choice={choice} whole={whole} />
          <Chosen choice={choice} />
        </>
      )}
    </div>
  );
}

/** What was shown before, until what was asked for now is there: nothing jumps or blinks. */
function useSteady<T>(data: T | undefined): T | undefined {
  const before = useRef<T>(undefined);
  useEffect(() => {
    if (data !== undefined) before.current = data;
  }, [data]);
  return data ?? before.current;
}

function Chosen({ choice }: { choice: Choice }) {
  const query = queryOf(choice);
  const totalsKey = `summary:${query}`;
  const rowsKey = `breakdown:${choice.by}:${query}`;
  const totals = useRead(totalsKey, () => api.summaryOf(query));
  const rows = useRead(rowsKey, async () => ({ choice, page: await api.breakdownOf(choice.by, query) }));
  const shown = useSteady(rows.data && totals.data ? { ...rows.data, total: totals.data } : undefined);
  const problem = totals.problem ?? rows.problem;
  if (problem) {
    return (
      <ProblemNote
        problem={problem}
        retry={() => {
          cache.invalidate(totalsKey);
          cache.invalidate(rowsKey);
        }}
      />
    );
  }
  if (!shown) return <Skeleton lines={6} />;
  const fresh = rows.data !== undefined && totals.data !== undefined;
  return (
    <div className="stack chosen" aria-busy={!fresh}>
      {shown.total.requests === 0 ? (
        <div className="card">
          <Empty title="No call fits">
            <p>Nothing was recorded for this choice of days and names.</p>
            <button
              type="button"
              className="btn"
              onClick={() => go(addressOf({ ...choice, only: {}, from: "", until: "" }))}
            >
              Show everything
            </button>
          </Empty>
        </div>
      ) : (
        <Filled choice={shown.choice} page={shown.page} total={shown.total} query={query} />
      )}
    </div>
  );
}

function Filled({
  choice,
  page,
  total,
  query,
}: {
  choice: Choice;
  page: Page<BreakdownRow>;
  total: UsageSummary;
  query: string;
}) {
  const cached = total.input_tokens ? (total.cached_input_tokens / total.input_tokens) * 100 : 0;
  return (
    <>
      <p className="soft" role="status">
        {count(total.requests)} calls, {period(total.first, total.last)}
      </p>
      <dl className="tiles">
        <Spend summary={total} />
        <Tile
          label="Calls"
          value={compact(total.requests)}
          note={`${percent((total.errors / total.requests) * 100)} failed`}
        />
        <Tile label="Input tokens" value={compact(total.input_tokens)} note={`${percent(cached)} from cache`} />
        <Tile
          label="Output tokens"
          value={compact(total.output_tokens)}
          note={`${count(total.output_tokens / total.requests)} a call`}
        />
      </dl>
      <Unpriced summary={total} />
      <Picture rows={page.items} choice={choice} />
      <section className="card stack">
        <h2>Every {labelOf(choice.by).toLowerCase()}</h2>
        {choice.by === "tag" && (
          <p className="small soft">A call counts under each of its tags, so the rows may add up to more than all calls.</p>
        )}
        {page.items.length >= MOST_GROUPS && (
          <p className="small soft">
            The first {count(MOST_GROUPS)} are shown; the last line counts all calls. Narrow the choice to see the rest.
          </p>
        )}
        <BreakdownTable key={choice.by} rows={page.items} total={total} choice={choice} />
      </section>
      <Download query={query} />
    </>
  );
}

function Picture({ rows, choice }: { rows: readonly BreakdownRow[]; choice: Choice }) {
  const [id, setId] = useState("cost");
  const measure = measureOf(id);
  const timed = isTime(choice.by);
  const listed = timed ? sorted(rows, null, "ascending") : sorted(rows, measure, "descending").slice(0, IN_PLOT);
  const by = labelOf(choice.by).toLowerCase();
  const few = !timed && rows.length > IN_PLOT ? `, the first ${IN_PLOT} of ${count(rows.length)}` : "";
  return (
    <section className="card">
      <label className="select pick">
        <span className="visually-hidden">Shown in the plot</span>
        <select value={id} onChange={(event) => setId(event.target.value)}>
          {MEASURES.map((one) => (
            <option key={one.id} value={one.id}>
              {one.label}
            </option>
          ))}
        </select>
      </label>
      {listed.some((row) => measure.of(row) !== null) ? (
        <Plot
          heading={
            <h2>
              {measure.label} by {by}
              <span className="muted small">{few}</span>
            </h2>
          }
          list={!timed}
          plot={{
            title: `${measure.label} by ${by}`,
            kind: listed.length > 40 ? "line" : "bar",
            unit: measure.unit,
            x: listed.map((row) => (timed ? row.key : nameOf(row.key, choice.by))),
            series: [{ label: measure.label, values: listed.map(measure.of) }],
          }}
        />
      ) : (
        <p className="soft">The records do not say this: {measure.label.toLowerCase()}.</p>
      )}
    </section>
  );
}
