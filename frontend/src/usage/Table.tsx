import { useState } from "react";
import type { BreakdownRow, UsageSummary } from "../api/types";
import { compact, count, day, percent, usd } from "../format";
import { Link } from "../app/router";
import { addressOf, isTime, labelOf, NONE, within, type Choice } from "./choice";
import { MEASURES, measureOf, sorted, type Direction } from "./measures";

const SHOWN = 50;
const NAME = "name";

export function nameOf(key: string, by: string): string {
  if (by === "day") return day(key);
  if (by === "hour") return `${day(key)}, ${key.slice(11, 16)}`;
  return key === NONE ? `No ${labelOf(by).toLowerCase()} given` : key;
}

interface Order {
  by: string;
  direction: Direction;
}

/** Every group with every measure; a head sorts, a name goes one step down. */
export function BreakdownTable({
  rows,
  total,
  choice,
}: {
  rows: readonly BreakdownRow[];
  total: UsageSummary;
  choice: Choice;
}) {
  const [order, setOrder] = useState<Order | null>(null);
  const [all, setAll] = useState(false);
  const now = order ?? { by: isTime(choice.by) ? NAME : "cost", direction: isTime(choice.by) ? "ascending" : "descending" };
  const measure = now.by === NAME ? null : measureOf(now.by);
  const listed = sorted(rows, measure, now.direction);
  const turn = (by: string) => {
    const first: Direction = by === NAME ? "ascending" : "descending";
    const other: Direction = first === "ascending" ? "descending" : "ascending";
    setOrder({ by, direction: now.by === by && now.direction === first ? other : first });
  };
  const head = (by: string, label: string, numeric: boolean) => (
    <th key={by} scope="col" className={numeric ? "n" : undefined} aria-sort={now.by === by ? now.direction : undefined}>
      <button type="button" className="sort" onClick={() => turn(by)}>
        {label}
        <span className="sort-mark" aria-hidden="true">
          {now.by !== by ? "" : now.direction === "ascending" ? "↑" : "↓"}
        </span>
      </button>
    </th>
  );
  return (
    <>
      <div className="table-scroll breakdown" tabIndex={0} role="region" aria-label={`Usage by ${labelOf(choice.by).toLowerCase()}`}>
        <table>
          <thead>
            <tr>
              {head(NAME, labelOf(choice.by), false)}
              {MEASURES.map((one) => head(one.id, one.head ?? one.label, true))}
            </tr>
          </thead>
          <tbody>
            {(all ? listed : listed.slice(0, SHOWN)).map((row) => (
              <Row key={row.key} row={row} total={total.cost_usd} choice={choice} />
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">All {count(rows.length)}</th>
              <td className="n">{usd(total.cost_usd)}</td>
              <td className="n">{count(total.requests)}</td>
              <td />
              <td className="n">{compact(total.input_tokens)}</td>
              <td className="n">
                {total.input_tokens ? percent((total.cached_input_tokens / total.input_tokens) * 100) : ""}
              </td>
              <td className="n">{compact(total.output_tokens)}</td>
              <td />
              <td />
              <td className="n">{total.requests ? percent((total.errors / total.requests) * 100) : ""}</td>
            </tr>
          </tfoot>
        </table>
      </div>
      {listed.length > SHOWN && (
        <button type="button" className="btn small fit" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `Show the first ${SHOWN}` : `Show all ${count(listed.length)}`}
        </button>
      )}
    </>
  );
}

function Row({ row, total, choice }: { row: BreakdownRow; total: number; choice: Choice }) {
  const next = within(choice, row.key);
  const name = nameOf(row.key, choice.by);
  const share = total > 0 ? (row.cost_usd / total) * 100 : 0;
  return (
    <tr>
      <th scope="row">
        {next ? (
          <Link to={addressOf(next)} title={`${name}: look within`}>
            {name}
          </Link>
        ) : (
          name
        )}
      </th>
      {MEASURES.map((one) => (
        <td key={one.id} className={one.of(row) === null ? "n muted" : "n"}>
          {one.text(row)}
          {one.id === "cost" && one.of(row) !== null && (
            <span className="share">
              <span className="track" aria-hidden="true">
                <span style={{ width: `${Math.min(100, share)}%` }} />
              </span>
              {percent(share)}
            </span>
          )}
        </td>
      ))}
    </tr>
  );
}
