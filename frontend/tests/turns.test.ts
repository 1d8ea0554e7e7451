import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cache } from "../src/api/cache";
import { api } from "../src/api/client";
import { call } from "../src/api/http";
import { session } from "../src/api/session";
import { forgetAtEveryTurn } from "../src/app/forget";
import { clearOutbox, send } from "../src/live/outbox";
import { addFiles, clearUploads } from "../src/live/uploads";

const asked: string[] = [];
let answers: Record<string, () => Response>;

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

function someone(token: string, { user = "u", workspace = "w", expires_in = 900 } = {}): Response {
  return json(200, { access_token: token, expires_in, user: { id: user }, workspace: { id: workspace } });
}

/** An upload that the server accepts at once. */
class Accepted {
  upload = {};
  status = 202;
  response = { import_id: "first's" };
  onload = () => undefined;
  open(): void {}
  setRequestHeader(): void {}
  abort(): void {}
  send(): void {
    queueMicrotask(() => this.onload());
  }
}

beforeEach(async () => {
  asked.length = 0;
  answers = {
    "/auth/login?cookie=1": () => someone("first"),
    "/auth/logout": () => new Response(null, { status: 204 }),
    "/auth/refresh?cookie=1": () => someone("next"),
  };
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("XMLHttpRequest", Accepted);
  vi.stubGlobal("fetch", async (path: string, options?: { headers?: Record<string, string>; signal?: AbortSignal }) => {
    options?.signal?.throwIfAborted();
    asked.push(`${path} as ${options?.headers?.["Authorization"] ?? "nobody"}`);
    return answers[path]?.() ?? json(404, {});
  });
  await session.signIn("first@example.org", "secret");
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a call refused after its person signed out is not sent again for the next one", async () => {
  let refuse = (_: Response): void => undefined;
  const refused = new Promise<Response>((done) => (refuse = done));
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return path === "/api/threads" ? refused : Promise.resolve(answers[path]?.());
  });
  const answer = call("/api/threads").catch((thrown: { status: number }) => thrown.status);
  await vi.waitFor(() => expect(asked).toContain("/api/threads"));
  await session.signOut();
  await session.signIn("next@example.org", "secret");
  refuse(json(401, {}));
  expect(await answer).toBe(401);
  expect(asked.filter((path) => path === "/api/threads")).toHaveLength(1);
});

test("a sign-in waits until the cookie of the one before is gone", async () => {
  let gone = (): void => undefined;
  const leaving = new Promise<Response>((done) => (gone = () => done(new Response(null, { status: 204 }))));
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return path === "/auth/logout" ? leaving : Promise.resolve(answers[path]?.());
  });
  asked.length = 0;
  const out = session.signOut();
  const next = session.signIn("next@example.org", "secret");
  await new Promise((done) => setTimeout(done));
  expect(asked).toEqual(["/auth/logout"]);
  gone();
  await Promise.all([out, next]);
  expect(asked).toEqual(["/auth/logout", "/auth/login?cookie=1"]);
});

test("a call refused within its own turn is sent again with a renewed token", async () => {
  const replies = [json(401, {}), json(200, { items: [] })];
  answers["/api/threads"] = () => replies.shift() ?? json(500, {});
  expect(await call("/api/threads")).toEqual({ items: [] });
  expect(asked.slice(-1)).toEqual(["/api/threads as Bearer next"]);
});

test.each([
  ["person", { user: "somebody else" }],
  ["workspace", { workspace: "another" }],
])("a call refused because the cookie is of another %s by now is not made there", async (_, other) => {
  answers["/api/usage/erase"] = () => json(401, {});
  answers["/auth/refresh?cookie=1"] = () => someone("next", other);
  const refused = call("/api/usage/erase", { method: "POST", body: { everything: true } });
  await expect(refused).rejects.toMatchObject({ status: 401 });
  expect(asked.filter((told) => told.includes("erase"))).toEqual(["/api/usage/erase as Bearer first"]);
});

test("a call whose token ran out is not made with the token of somebody else", async () => {
  answers["/auth/login?cookie=1"] = () => someone("first", { expires_in: 1 });
  answers["/auth/refresh?cookie=1"] = () => someone("next", { user: "somebody else" });
  await session.signIn("first@example.org", "secret");
  await expect(call("/api/usage/erase", { method: "POST" })).rejects.toMatchObject({ status: 401 });
  expect(asked.filter((told) => told.includes("erase"))).toEqual([]);
});

test("an invitation is accepted as who is signed in, and leads into the workspace", async () => {
  answers["/auth/invitations/accept"] = () => json(200, { id: "joined" });
  answers["/auth/workspaces/joined/token"] = () => json(200, { access_token: "for this tab" });
  answers["/auth/refresh?cookie=1"] = () => someone("next", { workspace: "joined" });
  asked.length = 0;
  await api.join("mailed");
  expect(asked).toEqual([
    "/auth/invitations/accept as Bearer first",
    "/auth/workspaces/joined/token as Bearer first",
    "/auth/refresh?cookie=1 as nobody",
  ]);
  expect(session.current?.workspace.id).toBe("joined");
});

test("what was read for one person is gone before the next one is told of", async () => {
  forgetAtEveryTurn();
  answers["/api/threads?limit=200"] = () => json(200, { items: ["first's"], next: null });
  answers["/auth/refresh?cookie=1"] = () => someone("next", { user: "somebody else" });
  await cache.load("threads", api.threads);
  expect(cache.get("threads").data).toMatchObject({ items: ["first's"] });
  const seen: unknown[] = [];
  const leave = session.subscribe(() => seen.push(cache.get("threads").data));
  await session.refresh();
  leave();
  expect(seen).toEqual([undefined]);
});

test("a question is not sent on once its sender has signed out", async () => {
  let made = (_: Response): void => undefined;
  const making = new Promise<Response>((done) => (made = done));
  const opened: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return path === "/api/threads" ? making : Promise.resolve(answers[path]?.() ?? json(404, {}));
  });
  send("Whose is this?", null, (threadId) => opened.push(threadId));
  await vi.waitFor(() => expect(asked).toContain("/api/threads"));
  await session.signOut();
  clearOutbox();
  await session.signIn("next@example.org", "secret");
  made(json(201, { id: "first's" }));
  await new Promise((done) => setTimeout(done));
  expect([opened, asked.filter((path) => path.includes("messages"))]).toEqual([[], []]);
});

test("an import is not asked after once its person's uploads are cleared", async () => {
  vi.useFakeTimers();
  answers["/api/usage/imports/first's"] = () => json(200, { status: "running" });
  addFiles([new File(["a"], "a.csv")], { model: "", start: "" });
  await vi.advanceTimersByTimeAsync(400);
  const followed = asked.filter((path) => path.includes("imports")).length;
  expect(followed).toBeGreaterThan(0);
  clearUploads();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked.filter((path) => path.includes("imports"))).toHaveLength(followed);
});
