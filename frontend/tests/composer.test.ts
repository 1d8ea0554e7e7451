import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { lengthNote, LONGEST } from "../src/chat/length";
import { runs } from "../src/live/live";
import { clearOutbox, send } from "../src/live/outbox";

describe("the length of a question", () => {
  it("is no matter until it is near the longest, and then counts down", () => {
    expect(lengthNote("x".repeat(LONGEST - 2001))).toBeNull();
    expect(lengthNote("x".repeat(LONGEST - 1234))).toEqual({ text: "1,234 characters left", over: false });
    expect(lengthNote("x".repeat(LONGEST))?.over).toBe(false);
  });

  it("is said with what to take out where it is too long", () => {
    const note = lengthNote("x".repeat(LONGEST + 118));
    expect(note?.over).toBe(true);
    expect(note?.text).toContain("32,118 of at most 32,000 characters: take out 118");
  });

  it("counts characters as the server does", () => {
    expect(lengthNote("🜁".repeat(LONGEST))).toEqual({ text: "0 characters left", over: false });
    expect(lengthNote("🜁".repeat(LONGEST - 5000))).toBeNull();
  });
});

describe("a conversation", () => {
  beforeEach(() => runs.clear());

  it("is busy from the first word of a run until its end, and only that one", () => {
    const seen: number[] = [];
    const leave = runs.onChange(() => seen.push(runs.open("t")));
    runs.expect("other", "u");
    runs.expect("r", "t");
    runs.adopt({ id: "r", thread_id: "t", status: "cancelled" } as Parameters<typeof runs.adopt>[0]);
    leave();
    expect(seen).toEqual([0, 1, 0]);
  });
});

describe("a second question", () => {
  const bodies: string[] = [];

  beforeEach(() => {
    bodies.length = 0;
    vi.stubGlobal("fetch", async (_: string, options?: { body?: string }) => {
      if (options?.body) bodies.push(options.body);
      return new Response("{}", { status: 409 });
    });
  });

  afterEach(() => {
    clearOutbox();
    vi.unstubAllGlobals();
  });

  test.each(["enqueue", "interrupt", "reject"] as const)("says what becomes of it: %s", async (whileBusy) => {
    send("And then?", "t", () => undefined, whileBusy);
    await vi.waitFor(() => expect(bodies).toHaveLength(1));
    expect(JSON.parse(bodies[0] ?? "")).toMatchObject({ content: "And then?", while_busy: whileBusy });
  });
});
