import type { Removal } from "../api/types";
import { count, fullDay } from "../format";
import type { Place } from "./api";
import { dayAfter, labelOf, NONE, queryOf, type Choice, type Narrowing } from "../usage/choice";

const SCOPES: Record<string, string> = {
  "usage:write": "brings calls",
  "usage:read": "reads usage",
  "analysis:read": "reads analyses",
  "runs:write": "asks questions",
};

/** What a key is good for. */
export function scopeWords(scopes: readonly string[]): string {
  return scopes.map((scope) => SCOPES[scope] ?? scope).join(", ");
}

/** A moment of the auth service, in Unix seconds. */
export function moment(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

export function calls(number: number): string {
  return `${count(number)} ${number === 1 ? "call" : "calls"}`;
}

/** The first day whose calls stay when calls are kept for `days`, counted from `today`; both UTC. */
export function keptSince(today: string, days: number): string {
  return dayAfter(today, -days);
}

/** The places that would be left with people and without an owner, where I went. */
export function ownerless(places: readonly Place[], me: string): Place[] {
  return places.filter(
    ({ members }) => members.length > 1 && !members.some((one) => one.role === "owner" && one.user_id !== me),
  );
}

/** Days and a name, as the form for removing has them. */
export interface Chosen {
  from: string;
  until: string;
  by: Narrowing | "";
  value: string;
}

/** As the usage API is asked about them. */
export function queryOfChosen(chosen: Chosen): string {
  const value = chosen.value === NONE ? "" : chosen.value;
  const only: Choice["only"] = chosen.by ? { [chosen.by]: value } : {};
  return queryOf({ by: "model", from: chosen.from, until: chosen.until, only });
}

/** What is asked to go; all of the workspace where nothing is chosen. */
export function erasing(chosen: Chosen): Record<string, string> | { everything: true } {
  const given = Object.fromEntries(new URLSearchParams(queryOfChosen(chosen)));
  return Object.keys(given).length ? given : { everything: true };
}

/** Which calls are asked to go, in words. */
export function chosenWords(chosen: Chosen): string {
  const { from: start, to: end, ...names } = Object.fromEntries(new URLSearchParams(queryOfChosen(chosen)));
  return whichWords({ ...names, ...(start && { start }), ...(end && { end }) });
}

/** Which calls a removal was about. */
export function whichWords(chosen: Removal["chosen"]): string {
  const parts = Object.entries(chosen)
    .filter(([name]) => name !== "start" && name !== "end")
    .map(([name, value]) => `${labelOf(name).toLowerCase()} ${value || NONE}`);
  const { start, end } = chosen;
  if (start) parts.push(`from ${fullDay(start)}`);
  if (end) parts.push(`until ${fullDay(dayBefore(end))}`);
  return parts.length ? `Calls of ${parts.join(", ")}`.replace(/of (from|until)/, "$1") : "All calls";
}

/** The last day before a moment that is not included. */
function dayBefore(iso: string): string {
  return new Date(Date.parse(iso) - 1).toISOString().slice(0, 10);
}

/** What came of a number of days, or of none (null), where the installation has a word in it; else "". */
export function takenWords(asked: number | null, now: number | null): string {
  if (asked === now || now === null) return "";
  const days = `${now} ${now === 1 ? "day" : "days"}`;
  if (asked === null) return `Without a number of its own, this workspace keeps calls as the installation says: ${days}.`;
  return `The installation says ${days}, which goes before a number of this workspace. Its operator can change that.`;
}

/** How far a removal is, or what came of it. */
export function toldWords(removal: Removal): string {
  switch (removal.status) {
    case "queued":
      return "Waiting to begin";
    case "running":
      return removal.calls_before === null ? "Counting" : "Removing";
    case "failed":
      return removal.error?.message ?? "It failed.";
    case "completed":
      return removal.calls_removed
        ? `${calls(removal.calls_removed)} of ${count(removal.calls_before ?? 0)} removed, ${count(removal.calls_after ?? 0)} left`
        : "No call fitted, so none was removed";
  }
}

/** True until a removal has ended. */
export function goesOn(removal: Removal): boolean {
  return removal.status === "queued" || removal.status === "running";
}
