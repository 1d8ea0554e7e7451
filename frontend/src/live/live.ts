import { useCallback, useSyncExternalStore } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { asProblem } from "../api/problem";
import { readEvents } from "../api/sse";
import type { Event, TextDelta } from "../api/types";
import { hasGap, isTerminal, type RunState } from "./fold";
import { RunStore } from "./runs";
import { LiveSocket, type LinkState } from "./socket";

export const runs = new RunStore();

let link: LinkState = "closed";
const linkListeners = new Set<() => void>();
const AGAIN_MS = 1500;
const following = new Map<string, AbortController>();
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
    if (run && hasGap(run) && !following.has(run.id)) void settle(run.id);
  },
  onText: (delta) => runs.write(delta),
  onResync() {
    cache.invalidate();
    for (const run of runs.all().filter((one) => !isTerminal(one.status))) {
      following.get(run.id)?.abort();
      runs.restart(run.id);
      void settle(run.id);
    }
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
    for (const timer of later.values()) clearTimeout(timer);
    later.clear();
    socket.stop();
    runs.clear();
  };
}

/**
 * Learn a run's state from the server, then its events from the start, until it has caught up.
 * A server that is away is asked again.
 */
export async function settle(runId: string): Promise<void> {
  clearTimeout(later.get(runId));
  try {
    const run = await api.run(runId);
    if (isTerminal(run.status)) runs.adopt(run);
    else await follow(runId);
  } catch (thrown) {
    if (asProblem(thrown).retryable) later.set(runId, setTimeout(() => void settle(runId), AGAIN_MS));
  }
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
    for await (const told of readEvents(path, runs.get(runId)?.runSeq ?? 0, controller.signal)) {
      if (isText(told)) {
        runs.write(told);
        continue;
      }
      const gap = hasGap(runs.get(runId) ?? EMPTY);
      runs.accept(told as Event);
      const run = runs.get(runId);
      if (!whole && run && (isTerminal(run.status) || (gap && !hasGap(run)))) return;
    }
  } catch (thrown) {
    if (controller.signal.aborted) return;
    throw thrown;
  } finally {
    if (following.get(runId) === controller) following.delete(runId);
  }
}

function isText(told: unknown): told is TextDelta {
  return (told as { type?: unknown }).type === "agent_delta";
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
