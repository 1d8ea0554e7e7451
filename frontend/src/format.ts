/** Numbers and times as people read them. One locale, so that every tab shows the same text. */
const LOCALE = "en-US";
const MINUS = "\u2212";

function fixed(value: number, digits: number): string {
  return new Intl.NumberFormat(LOCALE, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** Dollars with the digits that matter: $1,204, $12.40, $0.0031. */
export function usd(value: number): string {
  if (!Number.isFinite(value)) return "no price";
  const size = Math.abs(value);
  const sign = value < 0 ? MINUS : "";
  if (size === 0) return "$0";
  if (size >= 1000) return `${sign}$${fixed(size, 0)}`;
  if (size >= 0.995) return `${sign}$${fixed(size, 2)}`;
  const digits = Math.min(8, 1 - Math.floor(Math.log10(size)));
  return `${sign}$${fixed(size, Math.max(2, digits))}`;
}

/** Dollars to the cent, for parts that add up: $1,204.37. */
export function cents(value: number): string {
  return `${value < 0 ? MINUS : ""}$${fixed(Math.abs(value), 2)}`;
}

/**
 * Parts rounded to the cent so that they add up to their rounded total; what plain rounding would
 * lose goes to the largest remainders. A total below a dollar stays as it is.
 */
export function inCents(parts: Record<string, number>): Record<string, number> {
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
  if (Math.abs(total) < 1) return { ...parts };
  const floors = Object.entries(parts).map(([name, part]) => {
    const floor = Math.floor(part * 100);
    return { name, floor, rest: part * 100 - floor };
  });
  const missing = Math.round(total * 100) - floors.reduce((sum, one) => sum + one.floor, 0);
  const up = new Set([...floors].sort((a, b) => b.rest - a.rest).slice(0, missing).map((one) => one.name));
  return Object.fromEntries(floors.map(({ name, floor }) => [name, (floor + Number(up.has(name))) / 100]));
}

export function count(value: number): string {
  return new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 }).format(value).replace("-", MINUS);
}

/** 1,234 → 1.23k; short enough for an axis. */
export function compact(value: number): string {
  return new Intl.NumberFormat(LOCALE, { notation: "compact", maximumSignificantDigits: 3 })
    .format(value)
    .replace("-", MINUS);
}

/** A number of per cent, already times 100. */
export function percent(value: number): string {
  const size = Math.abs(value);
  return `${value < 0 ? MINUS : ""}${fixed(size, size >= 10 || size === 0 ? 0 : 1)}\u00a0%`;
}

export function milliseconds(value: number): string {
  if (value >= 60_000) return `${fixed(value / 60_000, 1)} min`;
  return value >= 1000 ? `${fixed(value / 1000, 1)} s` : `${fixed(value, 0)} ms`;
}

/** Time gone by, in whole seconds. */
export function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let size = value;
  let at = 0;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${fixed(size, at === 0 || size >= 100 ? 0 : 1)} ${units[at]}`;
}

/** A value in the unit that the server names; an unknown unit is shown behind the number. */
export function inUnit(value: number, unit: string | null | undefined): string {
  switch (unit) {
    case "usd":
      return usd(value);
    case "tokens":
      return `${compact(value)} tokens`;
    case "percent":
      return percent(value);
    case "fraction":
      return percent(value * 100);
    case "ms":
      return milliseconds(value);
    case "count":
    case "requests":
      return count(value);
    case undefined:
    case null:
    case "":
    case "text":
      return plain(value);
    default:
      return `${plain(value)} ${unit}`;
  }
}

function plain(value: number): string {
  return new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 5 }).format(value).replace("-", MINUS);
}

/** A label of an axis: short, with the unit's mark where it has a short one. */
export function axisLabel(value: number, unit: string): string {
  if (unit === "usd") return value !== 0 && Math.abs(value) < 1 ? usd(value) : `$${compact(value)}`;
  if (unit === "percent") return `${compact(value)} %`;
  if (unit === "fraction") return `${compact(value * 100)} %`;
  if (unit === "ms") return milliseconds(value);
  return compact(value);
}

/** A cell of a table, whatever the server put in it. */
export function cell(value: unknown, unit?: string | null): string {
  if (value === null || value === undefined || value === "") return "not known";
  if (typeof value === "number") return inUnit(value, unit);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return prose(value);
  return JSON.stringify(value);
}

/** snake_case or a lever id as words. */
export function words(name: string): string {
  const text = name.replaceAll("_", " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const FULL = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});
const CLOCK = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: "UTC",
});

export const day = (iso: string): string => DAY.format(new Date(iso));
export const fullDay = (iso: string): string => FULL.format(new Date(iso));
export const clock = (iso: string): string => CLOCK.format(new Date(iso));

const ISO = /\b(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|\+00:00)/g;

/** A sentence of the server as a person reads it: times in words, no break before a per cent sign. */
export function prose(text: string): string {
  return text
    .replace(ISO, (_, date: string, time: string) =>
      time === "00:00" ? fullDay(date) : `${fullDay(date)}, ${time}`,
    )
    .replaceAll(" %", "\u00a0%");
}

/** Labels of an axis: days or hours where they are moments, as they are otherwise. */
export function axisTexts(labels: readonly string[]): string[] {
  const moments = labels.map((label) => /^\d{4}-\d{2}-\d{2}(T|$)/.test(label));
  if (!labels.length || !moments.every(Boolean)) return labels.map(prose);
  const daily = labels.every((label) => !label.includes("T") || label.includes("T00:00"));
  return labels.map((label) => (daily ? day(label) : `${day(label)} ${label.slice(11, 16)}`.trim()));
}

/** From and to as days, or with the hour when both are the same day; UTC. */
export function period(from: string | null, to: string | null): string {
  if (!from || !to) return "no period";
  if (from.slice(0, 10) === to.slice(0, 10)) {
    return `${fullDay(from)}, ${from.slice(11, 16)} to ${to.slice(11, 16)} UTC`;
  }
  return `${fullDay(from)} to ${fullDay(to)}`;
}

export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return seconds < 7 * 86_400 ? `${Math.floor(seconds / 86_400)} d ago` : fullDay(iso);
}
