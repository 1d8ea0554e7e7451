import { Problem, problemOf, unreachable } from "./problem";
import { session } from "./session";

export interface CallOptions {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  /** False where 401 is about what was sent, a password, and not about the token. */
  renew?: boolean;
}

/** One call with the access token; a token that just expired is renewed once. Throws Problem. */
export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await sendRenewed(path, options);
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw problemOf(response.status, answer, response.headers.get("Retry-After"));
  return answer as T;
}

async function sendRenewed(path: string, options: CallOptions = {}): Promise<Response> {
  const turn = session.turn;
  const response = await send(turn, path, options);
  if (response.status !== 401 || options.renew === false || session.turn !== turn) return response;
  // Whoever signed in meanwhile is somebody else: the call was not theirs.
  if (!(await session.refresh()) || session.turn !== turn) return response;
  return await send(turn, path, options);
}

/** The token of whoever was there in this turn. Throws Problem where that is over. */
async function tokenOf(turn: number): Promise<string | null> {
  const token = await session.token();
  if (session.turn !== turn) throw new Problem({ message: "You are no longer signed in here as you were.", status: 401 });
  return token;
}

async function send(turn: number, path: string, { method = "GET", body, signal }: CallOptions): Promise<Response> {
  const token = await tokenOf(turn);
  const headers: Record<string, string> = { Accept: "application/json" };
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    throw unreachable();
  }
}

/** Save what the server sends under the name it gives. */
export async function download(path: string): Promise<void> {
  const response = await sendRenewed(path);
  if (!response.ok) {
    const answer: unknown = await response.json().catch(() => null);
    throw problemOf(response.status, answer, response.headers.get("Retry-After"));
  }
  const named = /filename="?([^";]+)/.exec(response.headers.get("Content-Disposition") ?? "");
  saveAs(await response.blob(), named?.[1] ?? "usage");
}

/** Have the browser save what is in memory. */
export function saveAs(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export interface UploadOptions {
  fields: Record<string, string>;
  onProgress: (sent: number, total: number) => void;
  signal: AbortSignal;
}

/** Send a file with real progress. fetch cannot report what was sent, XMLHttpRequest can. */
export async function upload<T>(path: string, file: File, options: UploadOptions): Promise<T> {
  const token = await tokenOf(session.turn);
  options.signal.throwIfAborted();
  const form = new FormData();
  for (const [name, value] of Object.entries(options.fields)) if (value) form.append(name, value);
  form.append("file", file, file.name);
  return await new Promise<T>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => options.onProgress(event.loaded, event.total);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new Problem({ message: "The upload was stopped.", code: "aborted" }));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response as T);
      else reject(problemOf(request.status, request.response, request.getResponseHeader("Retry-After")));
    };
    options.signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}
