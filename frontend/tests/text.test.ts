import { describe, expect, it } from "vitest";
import { axisTexts, bytes, cents, compact, elapsed, inCents, inUnit, percent, period, prose, usd } from "../src/format";
import { shownLabels, ticks } from "../src/plots/scale";
import { labelOf, patchText, shapeOf, unitOf } from "../src/report/patch";
import { problemOf } from "../src/api/problem";
import { SseLines } from "../src/api/sse";

describe("numbers", () => {
  it("shows dollars with the digits that matter", () => {
    expect([0, 4210.4, 999.6, 12.4, 1, 0.5, 0.0312, 0.00031, -3.456].map(usd)).toEqual([
      "$0",
      "$4,210",
      "$999.60",
      "$12.40",
      "$1.00",
      "$0.50",
      "$0.031",
      "$0.00031",
      "\u2212$3.46",
    ]);
    expect(usd(Number.NaN)).toBe("no price");
  });

  it("shares cents out so that parts add up to their total as shown", () => {
    const parts = inCents({ a: 10.004, b: 10.004, c: 10.004, d: -0.5 });
    expect(Object.values(parts).reduce((sum, part) => sum + Math.round(part * 100), 0)).toBe(2951);
    expect(inCents({ a: 0.001, b: 0.002 })).toEqual({ a: 0.001, b: 0.002 });
    expect([cents(1204.371), cents(-3)]).toEqual(["$1,204.37", "\u2212$3.00"]);
  });

  it("shows each unit as itself", () => {
    expect(inUnit(1_234_567, "tokens")).toBe("1.23M tokens");
    expect(inUnit(12.34, "percent")).toBe("12\u00a0%");
    expect(inUnit(0.046, "fraction")).toBe("4.6\u00a0%");
    expect(inUnit(1530, "ms")).toBe("1.5 s");
    expect(inUnit(1530, "count")).toBe("1,530");
    expect(inUnit(3, "apples")).toBe("3 apples");
    expect(percent(-3.21)).toBe("\u22123.2\u00a0%");
  });

  it("shows sizes and times", () => {
    expect([12, 1500, 2_500_000, 314_000_000].map(bytes)).toEqual(["12 B", "1.5 kB", "2.5 MB", "314 MB"]);
    expect(compact(61_204)).toBe("61.2K");
    expect([900, 59_999, 61_000].map(elapsed)).toEqual(["0 s", "59 s", "1 min 1 s"]);
    expect(period("2026-11-08T00:00:00Z", "2026-11-08T05:30:00Z")).toBe("8 Nov 2026, 00:00 to 05:30 UTC");
    expect(period("2026-11-08T00:00:00Z", "2026-11-21T05:30:00Z")).toBe("8 Nov 2026 to 21 Nov 2026");
  });
});

describe("the server's sentences", () => {
  it("show times in words and keep a number with its sign", () => {
    expect(prose("44.7 % between 2026-11-02T00:19:36.111Z and 2026-11-15T00:00:00+00:00.")).toBe(
      "44.7\u00a0% between 2 Nov 2026, 00:19 and 15 Nov 2026.",
    );
    expect(prose("nothing to change")).toBe("nothing to change");
  });
});

describe("axes", () => {
  it("show days and hours where labels are moments", () => {
    expect(axisTexts(["2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"])).toEqual(["2 Nov", "3 Nov"]);
    expect(axisTexts(["2026-11-02T05:00:00Z", "2026-11-02"])).toEqual(["2 Nov 05:00", "2 Nov"]);
    expect(axisTexts(["support", "2026-11-02"])).toEqual(["support", "2026-11-02"]);
  });

  it("have round marks that enclose the values", () => {
    expect(ticks(3, 481)).toEqual([0, 200, 400, 600]);
    expect(ticks(-31, 902)).toEqual([-250, 0, 250, 500, 750, 1000]);
    expect(ticks(0, 0).length).toBeGreaterThan(1);
  });

  it("show as many labels as fit", () => {
    expect([...shownLabels(14, 7)]).toEqual([0, 2, 4, 6, 8, 10, 12]);
    expect(shownLabels(5, 10).size).toBe(5);
  });
});

describe("evidence", () => {
  it("is read by its names and shapes", () => {
    expect(["cost_usd", "reuse_by_lifetime_s", "latency_ms", "input_tokens", "requests", "note", "active_share_of_time"].map(unitOf)).toEqual([
      "usd",
      "fraction",
      "ms",
      "tokens",
      "count",
      null,
      "fraction",
    ]);
    expect([1, "x", [1, 2], [{ a: 1 }], { a: 1 }, [], "a\nb"].map(shapeOf)).toEqual([
      "scalar",
      "scalar",
      "list",
      "rows",
      "map",
      "list",
      "text",
    ]);
    expect(labelOf("cost_usd")).toBe("Cost");
  });

  it("offers a patch as its own text where it has one", () => {
    expect(patchText({ yaml: "a: 1" })).toBe("a: 1");
    expect(JSON.parse(patchText({ router: { a: 1 } }))).toEqual({ router: { a: 1 } });
  });
});

describe("what went wrong", () => {
  it("says what to do in the server's words", () => {
    const problem = problemOf(422, {
      title: "Unprocessable",
      detail: "The password is too short.",
      code: "AUTH-021",
      hint: "Take at least 10 characters.",
      errors: [{ loc: ["body", "password"], msg: "too short" }],
    });
    expect(problem.message).toBe("The password is too short.");
    expect(problem.hint).toBe("Take at least 10 characters.");
    expect(problem.fields).toEqual({ password: "too short" });
    expect(problem.retryable).toBe(false);
  });

  it("is clear even when the server says nothing useful", () => {
    expect(problemOf(502, null).message).toBe("The server answered 502.");
    expect(problemOf(429, {}, "7").hint).toBe("Try again in 7 s.");
  });
});

describe("server-sent events", () => {
  it("come whole however the stream is cut", () => {
    const text = 'id: 1\nevent: a\ndata: {"x":1}\n\n: keep-alive\n\nid: 2\r\ndata: {"x":2}\r\n\r\n';
    for (let cut = 1; cut < text.length; cut += 1) {
      const lines = new SseLines();
      const out = [...lines.push(text.slice(0, cut)), ...lines.push(text.slice(cut))];
      expect(out, `cut at ${cut}`).toEqual(['{"x":1}', '{"x":2}']);
    }
  });
});
