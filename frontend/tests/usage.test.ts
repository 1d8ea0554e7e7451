import { describe, expect, it } from "vitest";
import { addressOf, isNarrowed, queryOf, readChoice, within } from "../src/usage/choice";
import { measureOf, sorted } from "../src/usage/measures";
import type { BreakdownRow } from "../src/api/types";

describe("the choice in the address", () => {
  it("comes back as it was written, whatever the names hold", () => {
    const choice = {
      by: "user" as const,
      from: "2026-11-01",
      until: "2026-11-07",
      only: { feature: "a&b=c ü", team: "" },
    };
    expect(readChoice(addressOf(choice).slice("/usage".length))).toEqual(choice);
    expect(isNarrowed(choice)).toBe(true);
  });

  it("leaves out what it does not understand", () => {
    const choice = readChoice("?by=shoe_size&from=tomorrow&until=2026-13-45&colour=red");
    expect(choice).toEqual({ by: "model", from: "", until: "", only: {} });
    expect(isNarrowed(choice)).toBe(false);
  });

  it("asks the server up to the end of the last day", () => {
    const choice = readChoice("?by=day&from=2026-02-28&until=2026-02-28&model=gpt-4o");
    expect(queryOf(choice)).toBe(
      "from=2026-02-28T00%3A00%3A00Z&to=2026-03-01T00%3A00%3A00Z&model=gpt-4o",
    );
  });
});

describe("one step down", () => {
  const at = (search: string) => readChoice(search);

  it("keeps what was narrowed and splits by what was not looked at yet", () => {
    expect(within(at("?by=feature"), "chat")).toEqual(at("?by=model&feature=chat"));
    expect(within(at("?by=model&feature=chat"), "gpt-4o")).toEqual(at("?by=user&feature=chat&model=gpt-4o"));
  });

  it("takes a group without a name as the calls that have none", () => {
    expect(within(at("?by=team"), "(none)")?.only).toEqual({ team: "" });
  });

  it("goes from a day to its hours, and no further", () => {
    const hours = within(at("?by=day&model=gpt-4o"), "2026-11-07T00:00:00Z");
    expect(hours).toEqual(at("?by=hour&from=2026-11-07&until=2026-11-07&model=gpt-4o"));
    expect(within(at("?by=hour"), "2026-11-07T10:00:00Z")).toBeNull();
  });
});

describe("measures of a group", () => {
  const row = (key: string, more: Partial<BreakdownRow> = {}): BreakdownRow => ({
    key,
    requests: 10,
    input_tokens: 100,
    cached_input_tokens: 25,
    output_tokens: 5,
    cost_usd: 1,
    p50_ms: null,
    p95_ms: null,
    error_share: 0,
    unpriced_requests: 0,
    ...more,
  });

  it("says no price where there is none, and shares the cost among the calls that have one", () => {
    expect(measureOf("cost").text(row("a", { cost_usd: 0, unpriced_requests: 10 }))).toBe("no price");
    expect(measureOf("per_call").of(row("a", { unpriced_requests: 5 }))).toBe(0.2);
    expect(measureOf("cached").text(row("a", { input_tokens: 0, cached_input_tokens: 0 }))).toBe("not said");
  });

  it("sorts unknown values last in both directions, and names as people count", () => {
    const rows = [row("a", { p50_ms: 5 }), row("b"), row("c", { p50_ms: 9 })];
    const keys = (direction: "ascending" | "descending") =>
      sorted(rows, measureOf("p50"), direction).map((one) => one.key);
    expect([keys("ascending"), keys("descending")]).toEqual([
      ["a", "c", "b"],
      ["c", "a", "b"],
    ]);
    expect(sorted([row("v10"), row("v9")], null, "ascending").map((one) => one.key)).toEqual(["v9", "v10"]);
  });
});
