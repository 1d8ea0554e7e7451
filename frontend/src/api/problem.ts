/** What went wrong, in words a person can act on (RFC 9457 underneath). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly fields: Record<string, string>;

  constructor(init: {
    message: string;
    status?: number;
    code?: string;
    hint?: string;
    retryable?: boolean;
    fields?: Record<string, string>;
  }) {
    super(init.message);
    this.name = "Problem";
    this.status = init.status ?? 0;
    this.code = init.code ?? "";
    this.hint = init.hint ?? "";
    this.retryable = init.retryable ?? false;
    this.fields = init.fields ?? {};
  }
}

export function unreachable(): Problem {
  return new Problem({
    message: "Apex cannot be reached.",
    hint: "Check that the server runs and that you are online. Nothing you sent is lost; try again.",
    code: "offline",
    retryable: true,
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldErrors(errors: unknown): Record<string, string> {
  const fields: Record<string, string> = {};
  if (!Array.isArray(errors)) return fields;
  for (const error of errors as { loc?: unknown[]; field?: unknown; msg?: unknown; message?: unknown }[]) {
    const name = text(error.field) || String(error.loc?.at(-1) ?? "");
    if (name) fields[name] = text(error.msg) || text(error.message);
  }
  return fields;
}

/** The problem that an HTTP answer with this status and body means. */
export function problemOf(status: number, body: unknown, retryAfter?: string | null): Problem {
  const doc = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const message =
    text(doc["detail"]) || text(doc["title"]) || text(doc["message"]) || `The server answered ${status}.`;
  const wait = status === 429 && retryAfter ? `Try again in ${retryAfter} s.` : "";
  return new Problem({
    message,
    status,
    code: text(doc["code"]),
    hint: text(doc["hint"]) || wait || (status >= 500 ? "Try again in a moment." : ""),
    retryable: doc["retryable"] === true || status >= 500 || status === 429,
    fields: fieldErrors(doc["errors"]),
  });
}

/** Any thrown thing as a problem. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem({ message: thrown instanceof Error ? thrown.message : String(thrown) });
}
