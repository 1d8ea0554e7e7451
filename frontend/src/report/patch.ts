import { words } from "../format";

/** A patch as text to copy: the file's own text where the patch carries it, JSON otherwise. */
export function patchText(patch: Record<string, unknown>): string {
  const text = patch["text"] ?? patch["yaml"] ?? patch["content"];
  return typeof text === "string" ? text : JSON.stringify(patch, null, 2);
}

export interface EvidenceLine {
  name: string;
  value: unknown;
}

/** Evidence as lines: nested objects one level deep, lists of objects left whole for a table. */
export function evidenceLines(evidence: Record<string, unknown>): EvidenceLine[] {
  return Object.entries(evidence).map(([name, value]) => ({ name, value }));
}

export type Shape = "scalar" | "list" | "rows" | "map" | "text";

/** How a piece of evidence is best shown. */
export function shapeOf(value: unknown): Shape {
  if (Array.isArray(value)) {
    return value.length > 0 && value.every(isPlainObject) ? "rows" : "list";
  }
  if (isPlainObject(value)) return "map";
  return typeof value === "string" && (value.length > 60 || value.includes("\n")) ? "text" : "scalar";
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A name of evidence as words; what its value's mark says already is left out. */
export function labelOf(name: string): string {
  return words(name.replace(/_(usd|pct|ms)(?=_|$)/, "").replace(/(?<=lifetime)_s$/, "").replace(/_s$/, " (s)"));
}

/** The unit that a name of evidence ends with: cost_usd, latency_ms, reuse_pct. */
export function unitOf(name: string): string | null {
  if (/(^|_)usd(_|$)|(^|_)cost$/.test(name)) return "usd";
  if (/(_ms|_p\d+)$/.test(name)) return "ms";
  if (/(pct|percent)$/.test(name)) return "percent";
  if (/(share|fraction|rate|reuse|change)($|_by_|_of_)/.test(name)) return "fraction";
  if (/tokens$/.test(name)) return "tokens";
  if (/(requests|calls|rows|count|repeats)$/.test(name)) return "count";
  return null;
}
