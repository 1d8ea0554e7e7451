import { compact, count, milliseconds, percent, usd } from "../format";
import type { BreakdownRow, ReportPlot } from "../api/types";

/** One column of the breakdown: what it says of a group, and how. */
export interface Measure {
  id: string;
  label: string;
  /** The label where there is little room. */
  head?: string;
  unit: ReportPlot["unit"];
  of: (row: BreakdownRow) => number | null;
  text: (row: BreakdownRow) => string;
}

const NOT_SAID = "not said";

function known(value: number | null, text: (value: number) => string): string {
  return value === null ? NOT_SAID : text(value);
}

function perCall(row: BreakdownRow): number | null {
  const priced = row.requests - row.unpriced_requests;
  return priced > 0 ? row.cost_usd / priced : null;
}

function spend(row: BreakdownRow): number | null {
  return row.unpriced_requests === row.requests ? null : row.cost_usd;
}

function cached(row: BreakdownRow): number | null {
  return row.input_tokens ? (row.cached_input_tokens / row.input_tokens) * 100 : null;
}

export const MEASURES: readonly Measure[] = [
  {
    id: "cost",
    label: "Spend",
    unit: "usd",
    of: spend,
    text: (row) => (spend(row) === null ? "no price" : usd(row.cost_usd)),
  },
  {
    id: "requests",
    label: "Calls",
    unit: "count",
    of: (row) => row.requests,
    text: (row) => count(row.requests),
  },
  {
    id: "per_call",
    label: "A call",
    unit: "usd",
    of: perCall,
    text: (row) => (perCall(row) === null ? "no price" : usd(perCall(row) ?? 0)),
  },
  {
    id: "input",
    label: "Input tokens",
    head: "Input",
    unit: "tokens",
    of: (row) => row.input_tokens,
    text: (row) => compact(row.input_tokens),
  },
  { id: "cached", label: "From cache", head: "Cached", unit: "percent", of: cached, text: (row) => known(cached(row), percent) },
  {
    id: "output",
    label: "Output tokens",
    head: "Output",
    unit: "tokens",
    of: (row) => row.output_tokens,
    text: (row) => compact(row.output_tokens),
  },
  {
    id: "p50",
    label: "Median time",
    head: "Median",
    unit: "ms",
    of: (row) => row.p50_ms,
    text: (row) => known(row.p50_ms, milliseconds),
  },
  {
    id: "p95",
    label: "95 % within",
    head: "95 %",
    unit: "ms",
    of: (row) => row.p95_ms,
    text: (row) => known(row.p95_ms, milliseconds),
  },
  {
    id: "errors",
    label: "Failed",
    unit: "percent",
    of: (row) => row.error_share * 100,
    text: (row) => percent(row.error_share * 100),
  },
];

const COST = MEASURES[0] as Measure;

export function measureOf(id: string): Measure {
  return MEASURES.find((one) => one.id === id) ?? COST;
}

export type Direction = "ascending" | "descending";

/** Rows in the order of a measure, unknown values last whatever the direction; by name as `null`. */
export function sorted(
  rows: readonly BreakdownRow[],
  measure: Measure | null,
  direction: Direction,
): BreakdownRow[] {
  const sign = direction === "ascending" ? 1 : -1;
  return [...rows].sort((a, b) => {
    if (measure === null) return sign * a.key.localeCompare(b.key, "en", { numeric: true });
    const [left, right] = [measure.of(a), measure.of(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right) || a.key.localeCompare(b.key);
  });
}
