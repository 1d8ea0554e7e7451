import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { call } from "../src/api/http";
import { session } from "../src/api/session";
import { addFiles, clearUploads } from "../src/live/uploads";

const asked: string[] = [];
let answers: Record<string, () => Response>;

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

const someone = (token: string) => json(200, { access_token: token, expires_in: 900 });

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
