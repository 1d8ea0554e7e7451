import { useCallback, useEffect, useSyncExternalStore } from "react";
import { asProblem, type Problem } from "./problem";

export interface Entry<T> {
  data: T | undefined;
  problem: Problem | null;
  loading: boolean;
}

type Loader = () => Promise<unknown>;

const IDLE: Entry<never> = { data: undefined, problem: null, loading: true };

/**
 * What was read from the server, by key. Old data stays on screen while new data loads; a key that
 * nobody looks at is only marked stale.
 */
export class ReadCache {
  readonly #entries = new Map<string, Entry<unknown>>();
  readonly #loaders = new Map<string, Loader>();
  readonly #versions = new Map<string, number>();
  readonly #listeners = new Map<string, Set<() => void>>();

  get<T>(key: string): Entry<T> {
    return (this.#entries.get(key) ?? IDLE) as Entry<T>;
  }

  subscribe(key: string, listener: () => void): () => void {
    const set = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (!set.size) this.#listeners.delete(key);
    };
  }

  async load(key: string, loader: Loader): Promise<void> {
    this.#loaders.set(key, loader);
    const version = (this.#versions.get(key) ?? 0) + 1;
    this.#versions.set(key, version);
    this.#put(key, { ...this.get(key), loading: true });
    const entry = await loader().then(
      (data): Entry<unknown> => ({ data, problem: null, loading: false }),
      (thrown): Entry<unknown> => ({
        data: this.get(key).data,
        problem: asProblem(thrown),
        loading: false,
      }),
    );
    if (this.#versions.get(key) === version) this.#put(key, entry);
  }

  /** Read again what starts with `prefix` and is on screen; forget the rest of it. */
  invalidate(prefix = ""): void {
    for (const key of [...this.#entries.keys()]) {
      if (!key.startsWith(prefix)) continue;
      const loader = this.#loaders.get(key);
      if (this.#listeners.has(key) && loader) void this.load(key, loader);
      else this.#forget(key);
    }
  }

  /** Change what is shown now; the next load has the last word. */
  patch<T>(key: string, change: (data: T) => T): void {
    const entry = this.get<T>(key);
    if (entry.data !== undefined) this.#put(key, { ...entry, data: change(entry.data) });
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#forget(key);
  }

  #forget(key: string): void {
    this.#versions.set(key, (this.#versions.get(key) ?? 0) + 1);
    this.#entries.delete(key);
    this.#loaders.delete(key);
  }

  #put(key: string, entry: Entry<unknown>): void {
    this.#entries.set(key, entry);
    for (const listener of this.#listeners.get(key) ?? []) listener();
  }
}

export const cache = new ReadCache();

/** What `loader` reads, kept under `key`; null as the key reads nothing. */
export function useRead<T>(key: string | null, loader: () => Promise<T>): Entry<T> {
  const name = key ?? "";
  const entry = useSyncExternalStore(
    useCallback((listener) => cache.subscribe(name, listener), [name]),
    () => cache.get<T>(name),
  );
  useEffect(() => {
    const known = cache.get(name);
    if (key !== null && known.data === undefined && (known === IDLE || !known.loading)) {
      void cache.load(name, loader);
    }
    // The key says what is read; a new closure alone is no reason to read again.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [name]);
  return entry;
}
