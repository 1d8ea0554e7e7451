import { useCallback, useSyncExternalStore } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { readEvents } from "../api/sse";
import type { Event } from "../api/types";
import { hasGap, isTerminal, type RunState } from "./fold";
import { RunStore } from "./runs";
import { LiveSocket, type LinkState } from "./socket";

export const runs = new RunStore();

let link: LinkState = "closed";
const linkListeners = new Set<() => void>();
const following = new Map<string, AbortController>();

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
    if (run && hasGap(run)) void follow(event.run_id);
  },
  onResync() {
    cache.invalidate();
    for (const run of runs.all()) if (!isTerminal(run.status)) void settle(run.id);
  },
  onState(state) {
    const back = state === "live" && link === "waiting";
    link = state;
    for (const listener of linkListeners) listener();
    if (back) for (const run of runs.all()) if (!isTerminal(run.status)) void settle(run.id);
  },
});

runs.onBegin((run) => {
  cache.invalidate("threads");
  cache.invalidate(`messages:${run.threadId}`);
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
    for (const controller of following.values()) controller.abort();
    socket.stop();
    runs.clear();
  };
}

/** Learn a run's state from the server, then its events from the start, until it has caught up. */
export async function settle(runId: string): Promise<void> {
  const run = await api.run(runId).catch(() => null);
  if (!run) return;
  if (isTerminal(run.status)) runs.adopt(run);
  else await follow(runId);
}

/**
 * Read the run's events over HTTP behind those known, while the socket goes on delivering: both
 * meet in the fold. Ends with the run, or once the socket's events join without a gap.
 */
export async function follow(runId: string, whole = false): Promise<void> {
  if (following.has(runId)) return;
  const controller = new AbortController();
  following.set(runId, controller);
  try {
    const path = `/api/runs/${encodeURIComponent(runId)}/events`;
    for await (const event of readEvents(path, runs.get(runId)?.runSeq ?? 0, controller.signal)) {
      const gap = hasGap(runs.get(runId) ?? EMPTY);
      runs.accept(event as Event);
      const run = runs.get(runId);
      if (!whole && run && (isTerminal(run.status) || (gap && !hasGap(run)))) return;
    }
  } catch {
    // The socket comes back by itself and settles what is open.
  } finally {
    following.delete(runId);
  }
}

const EMPTY = { early: new Map() } as unknown as RunState;

export function useRun(runId: string): RunState | undefined {
  return useSyncExternalStore(
    useCallback((listener) => runs.subscribe(runId, listener), [runId]),
    () => runs.get(runId),
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
