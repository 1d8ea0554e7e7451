/** Shapes of the public API that the screens read. */
export type RunStatus = "pending" | "running" | "completed" | "failed" | "cancelled";

export interface User {
  id: string;
  email: string;
  name: string | null;
}

export interface Workspace {
  id: string;
  name: string;
  role: string;
}

export interface Session {
  user: User;
  workspace: Workspace;
  access_token: string;
  expires_in: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Thread {
  id: string;
  title: string | null;
  created_at: string;
  updated_at: string;
}

export interface Message {
  id: string;
  role: "user" | "assistant";
  content: string;
  run_id: string | null;
  created_at: string;
}

export interface Accepted {
  thread_id: string;
  run_id: string;
  duplicate: boolean;
}

export interface Run {
  id: string;
  thread_id: string;
  status: RunStatus;
  created_at: string;
  ended_at: string | null;
  report: Report | null;
  error?: { code: string; message: string } | null;
}

export interface Event {
  v: number;
  type: string;
  event_id: string;
  epoch: string;
  seq: number;
  workspace_id: string;
  thread_id: string;
  run_id: string;
  run_seq: number;
  agent_name: string;
  timestamp: string;
  payload: Record<string, unknown>;
}

export type Unit = "usd" | "tokens" | "percent" | "ms" | "count" | "text" | "fraction";

export interface Figure {
  label: string;
  value: number;
  unit: string;
  low?: number | null;
  high?: number | null;
  evidence?: string | null;
  assumption: boolean;
}

export interface Interval {
  low: number;
  expected: number;
  high: number;
}

export interface Opportunity {
  id: string;
  lever: string;
  title: string;
  scope: Record<string, string>;
  status: string;
  savings_usd: Interval;
  savings_pct: number;
  monthly_savings_usd: number | null;
  latency: { p50_before: number | null; p50_after: number | null };
  quality: { delta: number | null; bound: number | null; verified: boolean };
  evidence: Record<string, unknown>;
  assumptions: string[];
  patch: Record<string, unknown>;
  effort: string;
  risk: string;
  rollback: string;
  analysis_id?: string | null;
  created_at?: string | null;
}

export interface Combined {
  period: { from: string | null; to: string | null };
  cost_before_usd: number;
  cost_after_usd: number;
  savings_usd: Interval;
  attribution: Record<string, number>;
}

export interface Constraint {
  text: string;
  honoured: boolean | null;
  detail: string;
}

export interface ReportTable {
  title: string;
  columns: { key: string; label: string; unit?: string | null }[];
  rows: Record<string, unknown>[];
}

export interface ReportPlot {
  title: string;
  kind: "bar" | "line";
  unit: string;
  x: string[];
  series: { label: string; values: (number | null)[] }[];
}

export interface Report {
  kind: string;
  question: string;
  headline: string;
  summary: string[];
  figures: Figure[];
  opportunities: Opportunity[];
  combined: Combined | null;
  constraints: Constraint[];
  tables: ReportTable[];
  plots: ReportPlot[];
  sufficiency: { score: number; level: "sufficient" | "partial" | "insufficient"; ask: string | null };
  next_steps: string[];
  analysis_id: string | null;
}

export interface Audit {
  rows_read: number;
  rows_kept: number;
  dropped: Record<string, number>;
}

export interface Import {
  import_id: string;
  file_name: string;
  status: "queued" | "running" | "completed" | "failed" | "cancelled";
  format: string | null;
  rows_read: number;
  rows_kept?: number;
  bytes_read: number;
  bytes_total: number;
  audit: Audit | null;
  error: { code?: string; message?: string; hint?: string } | string | null;
  created_at?: string;
}

export interface UsageSummary {
  requests: number;
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  first: string | null;
  last: string | null;
}

export interface BreakdownRow {
  key: string;
  requests: number;
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}
