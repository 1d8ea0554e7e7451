import { call } from "./http";
import type {
  Accepted,
  BreakdownRow,
  Import,
  Message,
  Opportunity,
  Page,
  Run,
  Thread,
  UsageSummary,
} from "./types";

const id = encodeURIComponent;

/** Every call the screens make, by name. */
export const api = {
  summary: () => call<UsageSummary>("/api/usage/summary"),
  breakdown: (by: string) => call<Page<BreakdownRow>>(`/api/usage/breakdown?by=${id(by)}`),
  imports: () => call<Page<Import>>("/api/usage/imports"),
  import: (importId: string) => call<Import>(`/api/usage/imports/${id(importId)}`),
  threads: () => call<Page<Thread>>("/api/threads"),
  createThread: () => call<Thread>("/api/threads", { method: "POST", body: {} }),
  messages: (threadId: string) => call<Page<Message>>(`/api/threads/${id(threadId)}/messages`),
  send: (threadId: string, content: string, clientMessageId: string) =>
    call<Accepted>(`/api/threads/${id(threadId)}/messages`, {
      method: "POST",
      body: { content, client_message_id: clientMessageId },
    }),
  run: (runId: string) => call<Run>(`/api/runs/${id(runId)}`),
  cancel: (runId: string) => call<unknown>(`/api/runs/${id(runId)}/cancel`, { method: "POST" }),
  opportunities: () => call<Page<Opportunity>>("/api/opportunities"),
  ticket: () => call<{ ticket: string; expires_in: number }>("/api/ws/ticket", { method: "POST" }),
};
