import { useSyncExternalStore } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Message, Page, WhileBusy } from "../api/types";
import { runs } from "./live";

/** A message that the server has not accepted yet. */
export interface Unsent {
  clientId: string;
  threadId: string | null;
  content: string;
  whileBusy: WhileBusy;
  state: "sending" | "failed";
  problem: Problem | null;
}

let unsent: readonly Unsent[] = [];
const listeners = new Set<() => void>();

function put(next: readonly Unsent[]): void {
  unsent = next;
  for (const listener of listeners) listener();
}

function change(clientId: string, part: Partial<Unsent>): void {
  put(unsent.map((message) => (message.clientId === clientId ? { ...message, ...part } : message)));
}

export function useUnsent(): readonly Unsent[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => unsent,
  );
}

/** Send a message; `opened` is told the thread as soon as it exists. Failures stay, to send again. */
export function send(
  content: string,
  threadId: string | null,
  opened: (threadId: string) => void,
  whileBusy: WhileBusy = "enqueue",
): void {
  const clientId = newId();
  put([...unsent, { clientId, threadId, content, whileBusy, state: "sending", problem: null }]);
  void deliver(clientId, opened);
}

export function sendAgain(clientId: string, opened: (threadId: string) => void): void {
  change(clientId, { state: "sending", problem: null });
  void deliver(clientId, opened);
}

export function discard(clientId: string): void {
  put(unsent.filter((message) => message.clientId !== clientId));
}

/** Somebody else may sign in next: nothing of this person stays. */
export function clearOutbox(): void {
  put([]);
}

/** The same id at every attempt: however often it is sent, one run comes of it. */
async function deliver(clientId: string, opened: (threadId: string) => void): Promise<void> {
  const message = unsent.find((one) => one.clientId === clientId);
  if (!message) return;
  try {
    let threadId = message.threadId;
    if (threadId === null) {
      threadId = (await api.createThread()).id;
      if (!isHere(clientId)) return;
      change(clientId, { threadId });
      opened(threadId);
    }
    const accepted = await api.send(threadId, message.content, clientId, message.whileBusy);
    if (!isHere(clientId)) return;
    runs.expect(accepted.run_id, accepted.thread_id);
    showAccepted(threadId, {
      id: clientId,
      thread_id: threadId,
      position: Number.MAX_SAFE_INTEGER,
      role: "user",
      content: message.content,
      run_id: accepted.run_id,
      created_at: new Date().toISOString(),
    });
    discard(clientId);
    cache.invalidate("threads");
    cache.invalidate("pauses");
  } catch (thrown) {
    change(clientId, { state: "failed", problem: asProblem(thrown) });
  }
}

/** False once it was forgotten, with its sender. */
function isHere(clientId: string): boolean {
  return unsent.some((one) => one.clientId === clientId);
}

function showAccepted(threadId: string, message: Message): void {
  const key = `messages:${threadId}`;
  if (cache.get(key).data === undefined) {
    void cache.load(key, () => api.messages(threadId));
    return;
  }
  cache.patch<Page<Message>>(key, (page) =>
    page.items.some((one) => one.run_id === message.run_id)
      ? page
      : { ...page, items: [...page.items, message] },
  );
}

/** A random id; randomUUID is missing where the page did not come over HTTPS or from localhost. */
function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
