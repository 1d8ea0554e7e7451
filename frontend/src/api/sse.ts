import { problemOf, unreachable } from "./problem";
import { session } from "./session";

/** Events of an event stream as they come; ends with the stream. `lastId` continues after an id. */
export async function* readEvents(
  path: string,
  lastId: number,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  const token = await session.token();
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (lastId > 0) headers["Last-Event-ID"] = String(lastId);
  const response = await fetch(path, { headers, signal }).catch(() => {
    throw unreachable();
  });
  if (response.status === 204) return; // the run has ended and all of it is known
  if (!response.ok || !response.body) {
    throw problemOf(response.status, await response.json().catch(() => null));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const lines = new SseLines();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw unreachable();
      });
      if (done) return;
      for (const data of lines.push(value)) yield JSON.parse(data);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Splits a text/event-stream into the data of its messages, however it was cut on the way. */
export class SseLines {
  #rest = "";
  #data: string[] = [];

  push(chunk: string): string[] {
    const out: string[] = [];
    const lines = (this.#rest + chunk).split(/\r?\n/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) out.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return out;
  }
}
