/** What the ids of the levers mean in a person's words. */
const LEVERS: Record<string, string> = {
  prompt_cache: "Prompt cache",
  response_cache: "Response cache",
  batch_tier: "Batch tier",
  model_switch: "Model switch",
  routing: "Routing",
  provider_switch: "Provider or region",
  retry_waste: "Retry waste",
  context_growth: "Context growth",
  output_tokens: "Output and reasoning",
  latency: "Latency",
  capacity: "Capacity",
  anomaly: "Anomaly",
};

export function leverName(id: string): string {
  return LEVERS[id] ?? id.replaceAll("_", " ");
}

export interface Standing {
  label: string;
  tone: "good" | "warn" | "ember";
  meaning: string;
}

/** How sure an opportunity is, and what that means for the total. */
export function standing(status: string): Standing {
  switch (status) {
    case "verified":
      return { label: "Verified", tone: "good", meaning: "Replayed on your traffic; counted in the total." };
    case "loses_money":
      return { label: "Would cost more", tone: "ember", meaning: "The replay says no; never counted." };
    case "needs_evaluation":
      return {
        label: "Needs evaluation",
        tone: "warn",
        meaning: "Quality is not proven on your outcomes yet; never counted.",
      };
    default:
      return { label: status.replaceAll("_", " "), tone: "warn", meaning: "Not counted in the total." };
  }
}

export function scopeText(scope: Record<string, string>): string {
  const parts = Object.entries(scope).map(([name, value]) => `${name} ${value}`);
  return parts.length ? parts.join(", ") : "All traffic";
}
