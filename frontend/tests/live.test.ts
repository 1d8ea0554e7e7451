import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runs, settle } from "../src/live/live";

const LINES = [
  ["agent_started", { message: "On it", parent_agent: null }],
  ["agent_completed", { status: "completed", duration_ms: 9, result: null }],
] as const;

const frame = (data: object) => `data: ${JSON.stringify(data)}\n\n`;

function event(at: number): object {
  const [type, payload] = LINES[at - 1] ?? LINES[0];
  const place = { run_id: "r", thread_id: "t", run_seq: at, seq: at, epoch: "ep", agent_name: "supervisor" };
  return { v: 1, type, event_id: `e${at}`, workspace_id: "w", timestamp: "2026-11-22T10:00:00Z", ...place, payload };
}

let told: string[];
let asked: string[];

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  asked = [];
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(path);
    if (path === "/api/runs/r") return new Response(JSON.stringify({ id: "r", thread_id: "t", status: "running" }));
    return new Response(told.shift() ?? "");
  });
});

afterEach(() => {
  runs.clear();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("without a socket a run is asked after every second and a half, until it has ended", async () => {
  told = [frame(event(1)), "", frame(event(2))];
  await settle("r");
  expect(runs.get("r")?.status).toBe("running");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(runs.get("r")?.status).toBe("completed");
  const before = asked.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked.length, before]).toEqual([6, 6]);
  expect(asked).toContain("/api/runs/r/events?follow=false");
});
