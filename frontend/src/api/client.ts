import { call } from "./http";
import { session } from "./session";
import type {
  Accepted,
  Analysis,
  AnalysisHead,
  Approval,
  BreakdownRow,
  Import,
  Message,
  Opportunity,
  Page,
  Pause,
  Run,
  Thread,
  UsageSummary,
  WhileBusy,
  Workspace,
} from "./types";

const id = encodeURIComponent;
const MOST_PAGES = 20;

/** All items of a list that comes in pages, up to a bound that no screen needs more than. */
async function all<T>(path: string): Promise<Page<T>> {
  const items: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const after: string = next === null ? "" : `&after=${id(next)}`;
    const found: Page<T> = await call<Page<T>>(`${path}?limit=200${after}`);
    items.push(...found.items);
    next = found.next;
    if (next === null) break;
  }
  return { items, next };
}

/** Every call the screens make, by name. */
export const api = {
  summary: () => call<UsageSummary>("/api/usage/summary"),
  breakdown: (by: string) => call<Page<BreakdownRow>>(`/api/usage/breakdown?by=${id(by)}`),
  /** Totals and groups of the calls that a query chooses. */
  summaryOf: (query: string) => call<UsageSummary>(`/api/usage/summary?${query}`),
  breakdownOf: (by: string, query: string) =>
    call<Page<BreakdownRow>>(`/api/usage/breakdown?by=${id(by)}&${query}`),
  imports: () => all<Import>("/api/usage/imports"),
  import: (importId: string, signal?: AbortSignal) =>
    call<Import>(`/api/usage/imports/${id(importId)}`, signal ? { signal } : {}),
  cancelImport: (importId: string) =>
    call<Import>(`/api/usage/imports/${id(importId)}/cancel`, { method: "POST" }),
  newestAnalysis: () => call<Page<AnalysisHead>>("/api/analyses?limit=1"),
  analysis: (analysisId: string) => call<Analysis>(`/api/analyses/${id(analysisId)}`),
  threads: () => all<Thread>("/api/threads"),
  createThread: () => call<Thread>("/api/threads", { method: "POST", body: {} }),
  deleteThread: (threadId: string) =>
    call<unknown>(`/api/threads/${id(threadId)}`, { method: "DELETE" }),
  messages: (threadId: string) => all<Message>(`/api/threads/${id(threadId)}/messages`),
  send: (threadId: string, content: string, clientMessageId: string, whileBusy: WhileBusy) =>
    call<Accepted>(`/api/threads/${id(threadId)}/messages`, {
      method: "POST",
      body: { content, client_message_id: clientMessageId, while_busy: whileBusy },
    }),
  run: (runId: string) => call<Run>(`/api/runs/${id(runId)}`),
  runsOf: (threadId: string) => call<Page<Run>>(`/api/runs?limit=200&thread_id=${id(threadId)}`),
  resume: (runId: string) => call<Run>(`/api/runs/${id(runId)}/resume`, { method: "POST" }),
  fork: (runId: string) => call<Run>(`/api/runs/${id(runId)}/fork`, { method: "POST", body: {} }),
  approvals: () => call<{ items: Approval[] }>("/api/approvals"),
  decide: (approvalId: string, approve: boolean) =>
    call<Approval>(`/api/approvals/${id(approvalId)}`, { method: "POST", body: { approve } }),
  pauses: () => call<{ items: Pause[] }>("/api/pauses"),
  cancel: (runId: string) => call<unknown>(`/api/runs/${id(runId)}/cancel`, { method: "POST" }),
  opportunities: () => all<Opportunity>("/api/opportunities"),
  /** Become a member of the workspace one was invited to, and go there. */
  join: async (token: string) => {
    const joined = await call<Workspace>("/auth/invitations/accept", { method: "POST", body: { token } });
    await session.enter(joined.id);
  },
  ticket: () => call<{ ticket: string; expires_in: number }>("/api/ws/ticket", { method: "POST" }),
};
