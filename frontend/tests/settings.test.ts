import { describe, expect, it } from "vitest";
import type { Removal } from "../src/api/types";
import type { Place } from "../src/settings/api";
import { chosenWords, erasing, keptSince, ownerless, queryOfChosen, scopeWords, takenWords, toldWords, whichWords } from "../src/settings/words";

const NOTHING = { from: "", until: "", by: "", value: "" } as const;

function removal(part: Partial<Removal>): Removal {
  return { status: "completed", chosen: {}, calls_before: 6, calls_removed: 2, calls_after: 4, error: null, ...part } as Removal;
}

describe("calls that are to go", () => {
  it("are those of the days given, the last one included, and of the name", () => {
    const chosen = { from: "2020-01-01", until: "2020-01-31", by: "user", value: "bob" } as const;
    expect(erasing(chosen)).toEqual({ from: "2020-01-01T00:00:00Z", to: "2020-02-01T00:00:00Z", user: "bob" });
  });

  it("are those without a name where that is chosen", () => {
    expect(erasing({ ...NOTHING, by: "feature", value: "(none)" })).toEqual({ feature: "" });
    expect(queryOfChosen({ ...NOTHING, by: "feature", value: "(none)" })).toBe("feature=");
  });

  it("are all only where nothing is chosen, which is said in so many words", () => {
    expect(erasing(NOTHING)).toEqual({ everything: true });
  });

  it("are named where one is asked whether they shall go", () => {
    expect(chosenWords({ from: "", until: "2020-01-31", by: "user", value: "bob" })).toBe("Calls of user bob, until 31 Jan 2020");
    expect(chosenWords({ ...NOTHING, by: "team", value: "(none)" })).toBe("Calls of team (none)");
    expect(chosenWords(NOTHING)).toBe("All calls");
  });

  it("are those before the midnight so many days ago", () => {
    expect(keptSince("2026-03-01", 1)).toBe("2026-02-28");
  });
});

describe("who leaves", () => {
  const place = (name: string, ...roles: [who: string, role: string][]) =>
    ({ workspace: { name }, members: roles.map(([user_id, role]) => ({ user_id, role })) }) as unknown as Place;

  it("is told where nobody else owns what others work in", () => {
    const places = [
      place("mine alone", ["me", "owner"]),
      place("owned twice", ["me", "owner"], ["bob", "owner"]),
      place("bob's", ["me", "analyst"], ["bob", "owner"]),
      place("stuck", ["me", "owner"], ["bob", "admin"]),
    ];
    expect(ownerless(places, "me").map(({ workspace }) => workspace.name)).toEqual(["stuck"]);
  });
});

describe("a number of days", () => {
  it("says so where the installation has another one", () => {
    expect([takenWords(90, 90), takenWords(null, null)]).toEqual(["", ""]);
    expect(takenWords(90, 30)).toContain("The installation says 30 days, which goes before");
    expect(takenWords(null, 1)).toContain("as the installation says: 1 day.");
  });
});

describe("a removal", () => {
  it("says which calls it is about", () => {
    expect(whichWords({})).toBe("All calls");
    expect(whichWords({ user: "bob" })).toBe("Calls of user bob");
    expect(whichWords({ feature: "", end: "2020-02-01T00:00:00+00:00" })).toBe("Calls of feature (none), until 31 Jan 2020");
    expect(whichWords({ start: "2020-01-01T00:00:00Z" })).toBe("Calls from 1 Jan 2020");
  });

  it("says how far it is and what came of it", () => {
    expect(toldWords(removal({ status: "queued" }))).toBe("Waiting to begin");
    expect(toldWords(removal({ status: "running", calls_before: null }))).toBe("Counting");
    expect(toldWords(removal({ status: "running" }))).toBe("Removing");
    expect(toldWords(removal({}))).toBe("2 calls of 6 removed, 4 left");
    expect(toldWords(removal({ calls_removed: 0 }))).toContain("No call fitted");
    expect(toldWords(removal({ status: "failed", error: { code: "X", message: "The disk is full." } }))).toBe("The disk is full.");
  });
});

describe("a key", () => {
  it("says what it is good for, also what a newer server adds", () => {
    expect(scopeWords(["usage:write", "new:thing"])).toBe("brings calls, new:thing");
  });
});
