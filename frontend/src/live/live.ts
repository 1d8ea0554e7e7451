import { useCallback, useSyncExternalStore } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { asProblem } from "../api/problem";
import { readEvents } from "../api/sse";
import type { Event, TextDelta } from "../api/types";
import { hasGap, hasTextGap, isTerminal, type RunState } from "./fold";
import { RunStore } from "./runs";
import { LiveSocket, type LinkState } from "./socket";

export const runs = new RunStore();

let link: LinkState = "closed";
const linkListeners = new Set<() => void>();
const AGAIN_MS = 1500;
const readers = new Map<string, AbortController>();
const askedAgain = new Set<string>();
const later = new Map<string, ReturnType<typeof setTimeout>>();

const socket = new LiveSocket({
  async address() {
    const { ticket } = await api.ticket();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${location.host}/ws?ticket=${encodeURIComponent(ticket)}`;
  },
  open: (address) => new WebSocket(address),
  onEvent(event) {
    runs.accept(event);
    const run = runs.get(event.run_id);
    if (run && hasGap(run)) void settle(run.id);
  },
  onText(delta) {
    runs.write(delta);
    const run = runs.get(delta.run_id);
    if (run && hasTextGap(run) && !readers.has(run.id) && !later.has(run.id)) void settle(run.id);
  },
  onResync() {
    cache.invalidate();
    for (const run of runs.all().filter((one) => !isTerminal(one.status))) {
      readers.get(run.id)?.abort();
      readers.delete(run.id);
      runs.restart(run.id);
      void settle(run.id);
    }
  },
  onState(state) {
    const comes = state === "live" && link !== "live";
    link = state;
    for (const listener of linkListeners) listener();
    // What was read before the socket was there may lack what happened until then.
    if (comes) for (const run of runs.all()) if (!isTerminal(run.status)) void settle(run.id);
  },
});

runs.onBegin((run) => {
  cache.invalidate("threads");
  cache.invalidate(`messages:${run.threadId}`);
  cache.invalidate(`runs:${run.threadId}`);
});

runs.onEnd(() => {
  cache.invalidate("threads");
  cache.invalidate("opportunities");
});

export function goLive(): () => void {
  const hurry = () => socket.hurry();
  const seen = () => document.visibilityState === "visible" && socket.hurry();
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", seen);
  socket.start();
  return () => {
    window.removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", seen);
    for (const reader of readers.values()) reader.abort();
    readers.clear();
    askedAgain.clear();
    for (const timer of later.values()) clearTimeout(timer);
    later.clear();
    socket.stop();
    runs.clear();
  };
}

/**
 * Learn a run's state from the server, and its events up to now; those to come are the socket's. A
 * request is never held open for them: the browser has six connections to a server, for all tabs
 * together. While there is no socket, or the server is away, it is asked again and again.
 */
export async function settle(runId: string): Promise<void> {
  if (readers.has(runId)) {
    askedAgain.add(runId);
    return;
  }
  clearTimeout(later.get(runId));
  later.delete(runId);
  const reader = new AbortController();
  readers.set(runId, reader);
  let over = true;
  try {
    do {
      askedAgain.delete(runId);
      over = await learn(runId, reader.signal);
    } while (askedAgain.has(runId));
  } catch (thrown) {
    over = !asProblem(thrown).retryable;
  }
  if (readers.get(runId) !== reader) return; // another one has begun anew
  readers.delete(runId);
  if (!over) later.set(runId, setTimeout(() => void settle(runId), AGAIN_MS));
}

/** Read what is known of a run by now; true when the rest comes by itself. */
async function learn(runId: string, signal: AbortSignal): Promise<boolean> {
  const run = await api.run(runId);
  if (signal.aborted) return true;
  runs.adopt(run); // one that waits has no event yet
  if (isTerminal(run.status)) return true;
  await readRun(runId, signal);
  const now = runs.get(runId);
  return !now || isTerminal(now.status) || (link === "live" && !hasTextGap(now));
}

/** Read every event of a run that has ended. */
export async function readWhole(runId: string): Promise<void> {
  const name = `whole ${runId}`;
  if (readers.has(name)) return;
  const reader = new AbortController();
  readers.set(name, reader);
  await readRun(runId, reader.signal).finally(() => readers.get(name) === reader && readers.delete(name));
}

/** Read the run's events up to now behind those known; with what the socket brings they meet in the fold. */
async function readRun(runId: string, signal: AbortSignal): Promise<void> {
  const path = `/api/runs/${encodeURIComponent(runId)}/events?follow=false`;
  try {
    for await (const told of readEvents(path, runs.get(runId)?.runSeq ?? 0, signal)) {
      if (signal.aborted) return;
      if (isText(told)) runs.write(told);
      else runs.accept(told as Event);
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

function isText(told: unknown): told is TextDelta {
  return (told as { type?: unknown }).type === "agent_delta";
}

export function useRun(runId: string): RunState | undefined {
  return useSyncExternalStore(
    useCallback((listener) => runs.subscribe(runId, listener), [runId]),
    () => runs.get(runId),
  );
}

/** How many runs work or wait in this conversation. */
export function useOpenRuns(threadId: string | null): number {
  return useSyncExternalStore(
    useCallback((listener) => runs.onChange(listener), []),
    () => (threadId === null ? 0 : runs.open(threadId)),
  );
}

export function useLink(): LinkState {
  return useSyncExternalStore(
    (listener) => {
      linkListeners.add(listener);
      return () => linkListeners.delete(listener);
    },
    () => link,
  );
}
