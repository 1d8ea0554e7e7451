import type { Combined, Constraint, Figure, Report, ReportPlot, ReportTable } from "../api/types";
import { cell, cents, compact, inCents, inUnit, percent, period, prose, usd } from "../format";
import { Plot } from "../plots/Plot";
import { Icon, type IconName } from "../ui/Icon";
import { leverName } from "./levers";
import { OpportunityList } from "./Opportunities";

/** A run's answer, in the order a person asks: how much, why, is it sure, what now. */
export function ReportView({ report, onAsk }: { report: Report; onAsk?: (text: string) => void }) {
  return (
    <article className="report" aria-label="Report">
      <header className="report-head">
        <h2>{prose(report.headline)}</h2>
        {report.summary.map((text) => (
          <p key={text}>{prose(text)}</p>
        ))}
      </header>
      <Sufficiency sufficiency={report.sufficiency} />
      {report.constraints.length > 0 && <Constraints constraints={report.constraints} />}
      {report.figures.length > 0 && <Figures figures={report.figures} />}
      {report.combined && <CombinedView combined={report.combined} report={report} />}
      <NextSteps report={report} onAsk={onAsk} />
      {report.plots.filter((plot) => !repeats(plot, report.combined ?? null)).map((plot) => (
        <section key={plot.title}>
          <Plot plot={plot} />
        </section>
      ))}
      {report.opportunities.length > 0 && (
        <section>
          <h3>Opportunities</h3>
          <p className="muted small">Each figure is of that change alone. Open one for its rows, patch and way back.</p>
          <OpportunityList items={report.opportunities} />
        </section>
      )}
      {report.tables.map((table) => (
        <TableView key={table.title} table={table} />
      ))}
    </article>
  );
}

function NextSteps({ report, onAsk }: { report: Report; onAsk: ((text: string) => void) | undefined }) {
  if (!report.next_steps.length) return null;
  return (
    <section>
      <h3>What to do, in this order</h3>
      <ol className="steps">
        {report.next_steps.map((text) => (
          <li key={text}>{prose(text)}</li>
        ))}
      </ol>
      {onAsk && report.kind !== "cache_audit" && report.kind !== "needs_data" && (
        <button type="button" className="btn small" onClick={() => onAsk("Audit every use of prompt caching")}>
          Audit the prompt caching too
        </button>
      )}
    </section>
  );
}

/** True for a plot of the very parts that the joint replay lists already. */
function repeats(plot: ReportPlot, combined: Combined | null): boolean {
  const parts = Object.values(combined?.attribution ?? {}).map((value) => value.toFixed(2));
  const values = plot.series[0]?.values.map((value) => value?.toFixed(2)) ?? [];
  const same = values.length === parts.length && values.every((value) => parts.includes(value ?? ""));
  return parts.length > 0 && plot.series.length === 1 && same;
}

function Sufficiency({ sufficiency }: { sufficiency: Report["sufficiency"] }) {
  if (sufficiency.level === "sufficient" && !sufficiency.ask) return null;
  const tone = sufficiency.level === "insufficient" ? "bad" : sufficiency.level === "partial" ? "warn" : "";
  const label = {
    sufficient: "The data suffice.",
    partial: "The data answer a part of this.",
    insufficient: "The data do not suffice yet.",
  }[sufficiency.level];
  return (
    <div className={`note ${tone}`}>
      <Icon name={sufficiency.level === "sufficient" ? "info" : "warn"} />
      <div>
        <strong>{label}</strong> {sufficiency.ask && prose(sufficiency.ask)}
      </div>
    </div>
  );
}

function Constraints({ constraints }: { constraints: Constraint[] }) {
  return (
    <section>
      <h3>What you asked to hold</h3>
      <ul className="constraints">
        {constraints.map((constraint) => {
          const [icon, tone, said] = verdict(constraint.honoured);
          return (
            <li key={constraint.text}>
              <span className={`mark ${tone}`}>
                <Icon name={icon} />
              </span>
              <div>
                <strong>{prose(constraint.text)}</strong> <span className={`badge ${tone}`}>{said}</span>
                {constraint.detail && <p className="soft">{prose(constraint.detail)}</p>}
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function verdict(honoured: boolean | null): [IconName, string, string] {
  if (honoured === null) return ["info", "warn", "cannot be told"];
  return honoured ? ["check", "good", "honoured"] : ["cross", "bad", "not honoured"];
}

function Figures({ figures }: { figures: Figure[] }) {
  return (
    <section>
    <dl className="figures">
      {figures.map((figure) => (
        <div key={figure.label} className="figure">
          <dt>{figure.label}</dt>
          <dd>
            <strong>{inUnit(figure.value, figure.unit)}</strong>
            <Range figure={figure} />
            {figure.assumption && <span className="badge warn">assumption</span>}
          </dd>
        </div>
      ))}
    </dl>
    <Grounds figures={figures} />
    </section>
  );
}

/** What the figures rest on, each ground once, however many figures share it. */
function Grounds({ figures }: { figures: Figure[] }) {
  const grounds = new Map<string, string[]>();
  for (const { label, evidence } of figures) {
    if (evidence) grounds.set(evidence, [...(grounds.get(evidence) ?? []), label]);
  }
  if (!grounds.size) return null;
  return (
    <ul className="grounds" aria-label="What the figures rest on">
      {[...grounds].map(([evidence, labels]) => (
        <li key={evidence}>
          <strong>{labels.join(", ")}:</strong> {prose(evidence)}
        </li>
      ))}
    </ul>
  );
}

function Range({ figure }: { figure: Figure }) {
  const { low, high, unit } = figure;
  if (low === null || low === undefined || high === null || high === undefined) return null;
  if (low === high) return null;
  return (
    <span className="figure-range">
      {inUnit(low, unit)} to {inUnit(high, unit)}, 90 %
    </span>
  );
}

function CombinedView({ combined, report }: { combined: Combined; report: Report }) {
  const { cost_before_usd: before, cost_after_usd: after, savings_usd: savings } = combined;
  const width = (value: number) => ({ width: `${before > 0 ? Math.min(100, (value / before) * 100) : 0}%` });
  const parts = Object.entries(inCents(combined.attribution)).sort((a, b) => b[1] - a[1]);
  const money = savings.expected >= 1 ? cents : usd;
  const titles = new Map(report.opportunities.map((item) => [item.id, item]));
  return (
    <section className="combined">
      <h3>All verified changes together</h3>
      <p className="muted small">
        One joint replay of {period(combined.period["from"] ?? null, combined.period["to"] ?? null)}; what changes take from each
        other is counted once.
      </p>
      <div className="before-after">
        <div>
          <span>Before</span>
          <strong className="num">{usd(before)}</strong>
          <span className="track">
            <span className="b" style={width(before)} />
          </span>
        </div>
        <div>
          <span>After</span>
          <strong className="num">{usd(after)}</strong>
          <span className="track">
            <span className="a" style={width(after)} />
          </span>
        </div>
        <p>
          Saves <strong>{money(savings.expected)}</strong>
          {before > 0 && ` (${percent((savings.expected / before) * 100)})`}, {usd(savings.low)} to{" "}
          {usd(savings.high)} at 90 %.
        </p>
        <IntervalBar before={before} savings={savings} />
      </div>
      {parts.length > 1 && (
        <ul className="bars" aria-label="Share of each change">
          {parts.map(([id, value]) => {
            const item = titles.get(id);
            const share = savings.expected > 0 ? Math.max(0, value / savings.expected) * 100 : 0;
            return (
              <li key={id}>
                <span className="name">{item?.title ?? leverName(id)}</span>
                <span className="num">{money(value)}</span>
                <span className="track">
                  <span style={{ width: `${Math.min(100, share)}%` }} />
                </span>
              </li>
            );
          })}
          <li className="sum">
            <span className="name">Together</span>
            <span className="num">{money(savings.expected)}</span>
          </li>
        </ul>
      )}
    </section>
  );
}

/** How sure the saving is: its 90 % interval and what is expected, on the scale of what was paid. */
function IntervalBar({ before, savings }: { before: number; savings: Combined["savings_usd"] }) {
  if (before <= 0) return null;
  const at = (value: number) => Math.min(100, Math.max(0, (value / before) * 100));
  const [low, high] = [at(savings.low), at(savings.high)];
  return (
    <div className="interval" aria-hidden="true">
      <span className="band" style={{ left: `${low}%`, width: `${Math.max(0.5, high - low)}%` }} />
      <span className="mid" style={{ left: `${at(savings.expected)}%` }} />
    </div>
  );
}

/** The unit of tokens stands once, in the head, and not in every cell. */
function headOf({ label, unit }: ReportTable["columns"][number]): string {
  return unit === "tokens" && !/token/i.test(label) ? `${label}, tokens` : label;
}

function tableCell(value: unknown, unit: string): string {
  return unit === "tokens" && typeof value === "number" ? compact(value) : cell(value, unit);
}

function cellClass(value: unknown): string | undefined {
  if (typeof value === "number") return "n";
  return typeof value === "string" && value.length > 36 ? "long" : "short";
}

function TableView({ table }: { table: ReportTable }) {
  const numeric = (key: string) =>
    table.rows.some((row) => typeof row[key] === "number") ? "n" : undefined;
  return (
    <section>
      <h3>{table.title}</h3>
      <div className="table-scroll" tabIndex={0} role="region" aria-label={table.title}>
        <table>
          <thead>
            <tr>
              {table.columns.map((column) => (
                <th key={column.key} scope="col" className={numeric(column.key)}>
                  {headOf(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, i) => (
              <tr key={i}>
                {table.columns.map((column) => (
                  <td key={column.key} className={cellClass(row[column.key])}>
                    {tableCell(row[column.key], column.unit)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
