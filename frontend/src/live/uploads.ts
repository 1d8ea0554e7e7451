import { useSyncExternalStore } from "react";
import { cache } from "../api/cache";
import { api } from "../api/client";
import { upload } from "../api/http";
import { asProblem, type Problem } from "../api/problem";
import type { Import } from "../api/types";

/** One file on its way in: first its bytes, then its rows. */
export interface Upload {
  id: number;
  name: string;
  size: number;
  state: "waiting" | "sending" | "importing" | "done" | "failed";
  sent: number;
  importId: string | null;
  imported: Import | null;
  problem: Problem | null;
}

export interface ImportOptions {
  model: string;
  start: string;
}

interface Job {
  id: number;
  file: File;
  options: ImportOptions;
  stop: AbortController;
}

const POLL_MS = 350;
const ENDED = new Set(["completed", "failed", "cancelled"]);

let uploads: readonly Upload[] = [];
let nextId = 1;
let working = false;
const queue: Job[] = [];
const stops = new Map<number, AbortController>();
const kept = new Map<number, File>();
const listeners = new Set<() => void>();

function put(next: readonly Upload[]): void {
  uploads = next;
  for (const listener of listeners) listener();
}

function change(id: number, part: Partial<Upload>): void {
  put(uploads.map((one) => (one.id === id ? { ...one, ...part } : one)));
}

export function useUploads(): readonly Upload[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => uploads,
  );
}

export function addFiles(files: Iterable<File>, options: ImportOptions): void {
  for (const file of files) {
    const job = { id: nextId++, file, options, stop: new AbortController() };
    queue.push(job);
    stops.set(job.id, job.stop);
    kept.set(job.id, file);
    put([
      { id: job.id, name: file.name, size: file.size, state: "waiting", sent: 0, importId: null, imported: null, problem: null },
      ...uploads,
    ]);
  }
  if (!working) void work();
}

/** Stop what is being sent, or take the line of something that ended off the screen. */
export function dismiss(id: number): void {
  stops.get(id)?.abort();
  stops.delete(id);
  kept.delete(id);
  put(uploads.filter((one) => one.id !== id));
}

/** Send a file once more, with what it did not say itself. */
export function sendAgain(id: number, options: ImportOptions): void {
  const file = kept.get(id);
  dismiss(id);
  if (file) addFiles([file], options);
}

/** Stop an import that the server works on; what it has stored stays. */
export async function stopImport(id: number): Promise<void> {
  const importId = uploads.find((one) => one.id === id)?.importId;
  if (!importId) return;
  await api.cancelImport(importId).catch((thrown: unknown) => change(id, { problem: asProblem(thrown) }));
}

/** Stop what is being sent and forget all: somebody else may sign in next. */
export function clearUploads(): void {
  queue.length = 0;
  for (const stop of stops.values()) stop.abort();
  stops.clear();
  kept.clear();
  put([]);
}

/** One file at a time: each gets the whole line, and the server's queue stays short. */
async function work(): Promise<void> {
  working = true;
  for (let job = queue.shift(); job; job = queue.shift()) {
    if (!job.stop.signal.aborted) await bring(job);
    stops.delete(job.id);
  }
  working = false;
}

async function bring({ id, file, options, stop }: Job): Promise<void> {
  change(id, { state: "sending" });
  try {
    const accepted = await upload<{ import_id: string }>("/api/usage/import", file, {
      fields: { model: options.model, start: options.start },
      onProgress: (sent, total) => change(id, { sent: Math.min(file.size, (sent / total) * file.size) }),
      signal: stop.signal,
    });
    change(id, { state: "importing", sent: file.size, importId: accepted.import_id });
    const imported = await watch(accepted.import_id, (now) => change(id, { imported: now }), stop.signal);
    change(id, { state: imported.status === "completed" ? "done" : "failed", imported });
  } catch (thrown) {
    if (!stop.signal.aborted) change(id, { state: "failed", problem: asProblem(thrown) });
  }
  for (const prefix of ["imports", "summary", "breakdown"]) cache.invalidate(prefix);
}

/** Follow an import to its end; a server that is away for a while is waited for. */
async function watch(id: string, told: (now: Import) => void, signal: AbortSignal): Promise<Import> {
  for (;;) {
    const now = await api.import(id, signal).catch((thrown: unknown) => {
      if (!signal.aborted && asProblem(thrown).retryable) return null;
      throw thrown;
    });
    signal.throwIfAborted();
    if (now) told(now);
    if (now && ENDED.has(now.status)) return now;
    await new Promise((done) => setTimeout(done, POLL_MS));
    signal.throwIfAborted();
  }
}
