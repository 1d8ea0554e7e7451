import { asProblem, Problem, problemOf, unreachable } from "./problem";
import type { Session } from "./types";

const HINT = "apex.session"; // says that a refresh cookie is likely there; holds nothing secret
const EARLY_S = 45;

type Listener = () => void;

/**
 * Who is signed in. The access token lives in this object alone; the refresh token is an HttpOnly
 * cookie that no script can read. `null` means signed out, `undefined` not known yet.
 */
export class SessionStore {
  #session: Session | null | undefined = undefined;
  #expiresAt = 0;
  #turn = 0;
  #refreshing: Promise<boolean> | null = null;
  #leaving: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<Listener>();

  get current(): Session | null | undefined {
    return this.#session;
  }

  /**
   * Changes with every sign-out, and when the cookie turns out to be of another person or workspace
   * by now: a call begun in one turn must not be made, or end, in another.
   */
  get turn(): number {
    return this.#turn;
  }

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  snapshot = (): Session | null | undefined => this.#session;

  /** A sign-in elsewhere has just set the cookie. */
  expectCookie(): void {
    localStorage.setItem(HINT, "1");
  }

  /** Take up the session of the cookie, when there is one. Keeps trying while the server is away. */
  async restore(): Promise<void> {
    if (localStorage.getItem(HINT) === null) {
      this.#set(null);
      return;
    }
    for (let wait = 300; ; wait = Math.min(wait * 2, 5000)) {
      try {
        await this.refresh();
        return;
      } catch {
        await new Promise((done) => setTimeout(done, wait));
      }
    }
  }

  /** Go to another workspace of mine: every later call is about that one. */
  async enter(workspaceId: string): Promise<void> {
    const headers = { Authorization: `Bearer ${(await this.token()) ?? ""}` };
    await post(`/auth/workspaces/${encodeURIComponent(workspaceId)}/token`, undefined, headers);
    await this.refresh();
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.#leaving;
    this.#set(await post("/auth/login?cookie=1", { email, password }));
  }

  /** True when signed in, false when the address has to be confirmed by mail first. */
  async register(name: string, email: string, password: string): Promise<boolean> {
    await this.#leaving;
    const answer = await post("/auth/register?cookie=1", { email, password, name: name || null });
    if (!answer.access_token) return false;
    this.#set(answer);
    return true;
  }

  /** At once for this tab. The next sign-in waits for the cookie to be gone, or it would lose its own. */
  async signOut(): Promise<void> {
    const token = this.#session?.access_token;
    this.#set(null);
    const headers: HeadersInit = token ? { Authorization: `Bearer ${token}` } : {};
    this.#leaving = fetch("/auth/logout", { method: "POST", headers }).catch(() => undefined);
    await this.#leaving;
  }

  /** An access token that is good for a while yet, or null when nobody is signed in. */
  async token(): Promise<string | null> {
    if (!this.#session) return null;
    if (Date.now() > this.#expiresAt - EARLY_S * 1000) await this.refresh();
    return this.#session?.access_token ?? null;
  }

  /** Renew the access token. False when the session is over; throws when the server is away. */
  refresh(): Promise<boolean> {
    this.#refreshing ??= oneTabAtATime(() => this.#renew()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #renew(): Promise<boolean> {
    try {
      this.#set(await post("/auth/refresh?cookie=1"));
      return true;
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (problem.status === 0 || problem.retryable) throw problem;
      this.#set(null);
      return false;
    }
  }

  #set(session: Session | null): void {
    if (whose(session) !== whose(this.#session)) this.#turn += 1;
    this.#session = session;
    if (session) {
      this.#expiresAt = Date.now() + session.expires_in * 1000;
      localStorage.setItem(HINT, "1");
    } else {
      localStorage.removeItem(HINT);
    }
    for (const listener of this.#listeners) listener();
  }
}

function whose(session: Session | null | undefined): string | null {
  return session ? `${session.user.id} ${session.workspace.id}` : null;
}

/** Tabs share the cookie, and each refresh spends it: they take turns. */
function oneTabAtATime<T>(work: () => Promise<T>): Promise<T> {
  if (!("locks" in navigator)) return work();
  return navigator.locks.request("apex.refresh", work) as Promise<T>;
}

async function post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Session> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw unreachable();
  }
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problemOf(response.status, answer, response.headers.get("Retry-After"));
  if (answer === null) throw new Problem({ message: "The server's answer was not understood." });
  return answer as Session;
}

export const session = new SessionStore();
