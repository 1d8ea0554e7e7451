/** What the usage page shows, as its address says it: a link to it shows the same to a colleague. */
export const DIMENSIONS = [
  { by: "model", label: "Model" },
  { by: "feature", label: "Feature" },
  { by: "team", label: "Team" },
  { by: "user", label: "User" },
  { by: "provider", label: "Provider" },
  { by: "tag", label: "Tag" },
  { by: "service_tier", label: "Tier" },
  { by: "status", label: "Status" },
  { by: "day", label: "Day" },
  { by: "hour", label: "Hour" },
] as const;

export type By = (typeof DIMENSIONS)[number]["by"];

/** What calls can be narrowed to by one value. */
export const NARROWING = ["model", "feature", "team", "user", "provider", "tag", "service_tier", "status"] as const;
export type Narrowing = (typeof NARROWING)[number];

/** How the server and this app write a group of calls that have none of it. */
export const NONE = "(none)";

export interface Choice {
  by: By;
  /** First day and last day, both included, UTC; empty: open. */
  from: string;
  until: string;
  only: Partial<Record<Narrowing, string>>;
}

const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export function isTime(by: string): boolean {
  return by === "day" || by === "hour";
}

export function labelOf(by: string): string {
  return DIMENSIONS.find((one) => one.by === by)?.label ?? by;
}

function isDay(text: string): boolean {
  return DAY.test(text) && !Number.isNaN(Date.parse(text));
}

/** The choice that an address means; what it does not understand is left out. */
export function readChoice(search: string): Choice {
  const given = new URLSearchParams(search);
  const by = DIMENSIONS.find((one) => one.by === given.get("by"))?.by ?? "model";
  const day = (name: string) => (isDay(given.get(name) ?? "") ? (given.get(name) ?? "") : "");
  const only: Choice["only"] = {};
  for (const name of NARROWING) {
    const value = given.get(name);
    if (value !== null) only[name] = value;
  }
  return { by, from: day("from"), until: day("until"), only };
}

/** The address of a choice. */
export function addressOf(choice: Choice): string {
  const query = new URLSearchParams({ by: choice.by });
  if (choice.from) query.set("from", choice.from);
  if (choice.until) query.set("until", choice.until);
  for (const [name, value] of Object.entries(choice.only)) query.set(name, value);
  return `/usage?${query.toString()}`;
}

/** The part of a question to the server that chooses calls. Its `to` is not included: the next day. */
export function queryOf(choice: Choice): string {
  const query = new URLSearchParams();
  if (choice.from) query.set("from", `${choice.from}T00:00:00Z`);
  if (choice.until) query.set("to", dayAfter(choice.until, 1) + "T00:00:00Z");
  for (const [name, value] of Object.entries(choice.only)) query.set(name, value);
  return query.toString();
}

export function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Whether anything narrows the calls. */
export function isNarrowed(choice: Choice): boolean {
  return Boolean(choice.from || choice.until || Object.keys(choice.only).length);
}

/** One step down from a group: its calls alone, split by what was not looked at yet. */
export function within(choice: Choice, key: string): Choice | null {
  if (choice.by === "day") {
    const day = key.slice(0, 10);
    return { ...choice, by: "hour", from: day, until: day };
  }
  if (choice.by === "hour") return null;
  const only = { ...choice.only, [choice.by]: key === NONE ? "" : key };
  const order: readonly By[] = ["feature", "model", "user", "day"];
  const by = order.find((one) => one !== choice.by && !(one in only)) ?? "day";
  return { ...choice, by, only };
}
