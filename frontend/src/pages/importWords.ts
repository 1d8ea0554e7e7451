import { words } from "../format";

const FORMATS: Record<string, string> = {
  mooncake: "a Mooncake trace",
  azure: "an Azure trace",
  burstgpt: "a BurstGPT trace",
  litellm: "LiteLLM spend logs",
  langfuse: "Langfuse observations",
  helicone: "Helicone requests",
  openai_usage: "OpenAI usage",
  anthropic_usage: "an Anthropic usage report",
  claude_code: "Claude Code sessions",
  codex: "Codex sessions",
  agents: "sessions of coding agents",
  otlp: "OpenTelemetry spans",
  otlp_logs: "OpenTelemetry log records",
  spans: "OpenTelemetry spans, one a row",
  tool_spans: "spans of Datadog or Braintrust",
  langsmith: "LangSmith runs",
  posthog: "PostHog events",
  requests: "requests and responses",
  sessions: "sessions in full text",
  generic: "a table of calls",
};

const REASONS: Record<string, string> = {
  broken_json: "not JSON",
  not_an_object: "not an object",
  wrong_number_of_columns: "wrong number of columns",
  too_long: "longer than 32 MiB",
  no_time: "no time",
  bad_time: "a time that cannot be",
  no_model: "nothing says which model answered",
  no_token_counts: "no token counts",
  negative_token_counts: "negative token counts",
  bad_token_counts: "token counts that are no numbers",
  not_a_model_call: "no call of a model",
  answered_by_gateway_cache: "answered by the gateway's own cache",
  duplicate: "there already",
  unreadable_values: "values that cannot be read",
  file_not_usage: "files that are no usage",
  file_cut_off: "the file ends in the middle",
  export_cut_off: "the export goes on: pages that follow are not in it",
};

/** What a file was read as, by the format's id. */
export function formatName(id: string): string {
  return FORMATS[id] ?? words(id).toLowerCase();
}

/** Why rows were left out, by the audit's reason. */
export function reasonText(id: string): string {
  return REASONS[id] ?? words(id).toLowerCase();
}
