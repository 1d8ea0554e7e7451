import type { Event, Run, TextDelta } from "../api/types";
import { fold, isTerminal, newRun, write, type RunState } from "./fold";

/** The runs this tab knows, folded from events; whoever shows one subscribes to it. */
export class RunStore {
  readonly #runs = new Map<string, RunState>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #onChange = new Set<() => void>();
  readonly #onBegin = new Set<(run: RunState) => void>();
  readonly #onEnd = new Set<(run: RunState) => void>();

  get(id: string): RunState | undefined {
    return this.#runs.get(id);
  }

  all(): RunState[] {
    return [...this.#runs.values()];
  }

  subscribe(id: string, listener: () => void): () => void {
    const set = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /** How many runs of this conversation work or wait. */
  open(threadId: string): number {
    let open = 0;
    for (const run of this.#runs.values()) {
      if (run.threadId === threadId && !isTerminal(run.status)) open += 1;
    }
    return open;
  }

  /** Told of every change of any run. */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  /** Told once of each run that this tab hears of, wherever it was begun. */
  onBegin(listener: (run: RunState) => void): () => void {
    this.#onBegin.add(listener);
    return () => this.#onBegin.delete(listener);
  }

  /** Told once of each run that ends while this tab looks on. */
  onEnd(listener: (run: RunState) => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }

  accept(event: Event): void {
    const before = this.#runs.get(event.run_id) ?? newRun(event.run_id, event.thread_id);
    this.#put(before, fold(before, event));
  }

  /** A text is no event: of a run that is not known nothing is shown. */
  write(delta: TextDelta): void {
    const before = this.#runs.get(delta.run_id);
    if (before) this.#put(before, write(before, delta));
  }

  /** A run that is about to start here; its events come from the first on. */
  expect(id: string, threadId: string): void {
    if (!this.#runs.has(id)) this.#put(newRun(id, threadId), newRun(id, threadId));
  }

  /** What the server says of a run; events tell more, so an ended run is only taken from here. */
  adopt(run: Run): void {
    const before = this.#runs.get(run.id) ?? newRun(run.id, run.thread_id);
    if (isTerminal(before.status)) return;
    if (!isTerminal(run.status)) {
      this.#put(before, { ...before, startedAt: before.startedAt ?? run.started_at ?? run.created_at });
      return;
    }
    this.#put(before, {
      ...before,
      status: run.status,
      startedAt: before.startedAt ?? run.started_at ?? run.created_at,
      endedAt: run.ended_at,
      report: run.report,
      error: run.error ?? null,
      draft: null,
    });
  }

  /** Forget what was folded of a run: its events are read again from the first. */
  restart(id: string): void {
    const run = this.#runs.get(id);
    if (run) this.#put(run, newRun(id, run.threadId));
  }

  clear(): void {
    this.#runs.clear();
    for (const set of this.#listeners.values()) for (const listener of set) listener();
    for (const listener of this.#onChange) listener();
  }

  #put(before: RunState, after: RunState): void {
    const known = this.#runs.get(after.id);
    if (known === after) return;
    this.#runs.set(after.id, after);
    for (const listener of this.#listeners.get(after.id) ?? []) listener();
    for (const listener of this.#onChange) listener();
    if (!known) for (const listener of this.#onBegin) listener(after);
    if (isTerminal(after.status) && !isTerminal(before.status)) {
      for (const listener of this.#onEnd) listener(after);
    }
  }
}
