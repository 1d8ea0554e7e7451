import { useState, useSyncExternalStore, type FormEvent } from "react";
import { go, Link } from "../app/router";
import { api } from "../api/client";
import { asProblem, problemOf, unreachable, type Problem } from "../api/problem";
import { session } from "../api/session";
import { Field } from "../ui/Field";
import { ProblemNote } from "../ui/parts";
import { Gate } from "./Gate";

interface Purpose {
  title: string;
  path: string;
  fields: readonly ("email" | "name" | "password")[];
  action: string;
  done: string;
}

const JOIN = "/invite";
const PURPOSES: Record<string, Purpose> = {
  "/verify": {
    title: "Confirm your address",
    path: "/auth/email/verify",
    fields: [],
    action: "Confirm",
    done: "Your address is confirmed. You can sign in now.",
  },
  "/reset": {
    title: "Choose a new password",
    path: "/auth/password/reset",
    fields: ["password"],
    action: "Change the password",
    done: "Your password is changed. Sign in with the new one.",
  },
  [JOIN]: {
    title: "Join the workspace",
    path: "/auth/invitations/accept",
    fields: [],
    action: "Join",
    done: "You are a member now.",
  },
  "/setup": {
    title: "Set up Netra Apex",
    path: "/auth/setup",
    fields: ["email", "name", "password"],
    action: "Create the first account",
    done: "The first account exists. Sign in to begin.",
  },
};

export function isTokenPath(path: string): boolean {
  return Object.hasOwn(PURPOSES, path);
}

/** Pages that a mailed link opens; the token stays in the fragment and never reaches a log. */
export function TokenPage({ path }: { path: string }) {
  const purpose = PURPOSES[path];
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  const [problem, setProblem] = useState<Problem | null>(null);
  const [state, setState] = useState<"open" | "busy" | "done">("open");
  const who = useSyncExternalStore(session.subscribe, session.snapshot);
  const stranger = path === JOIN && !who;
  if (!purpose) return null;
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(event.currentTarget));
    setState("busy");
    setProblem(null);
    try {
      if (path === JOIN) {
        await api.join(token);
        go("/", { replace: true });
        return;
      }
      await send(purpose.path, { token, ...data });
      setState("done");
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setState("open");
    }
  };
  return (
    <Gate>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <h1>{purpose.title}</h1>
        {problem && <ProblemNote problem={problem} />}
        {state === "done" ? (
          <>
            <p role="status">{purpose.done}</p>
            <Link className="btn primary" to="/sign-in">
              Sign in
            </Link>
          </>
        ) : (
          <>
            {!token && <p>This link is not whole. Open it again from the mail, or ask for a new one.</p>}
            {purpose.fields.includes("email") && (
              <Field label="E-mail" name="email" type="email" autoComplete="username" required />
            )}
            {purpose.fields.includes("name") && <Field label="Name" name="name" autoComplete="name" />}
            {purpose.fields.includes("password") && (
              <Field
                label="Password"
                name="password"
                type="password"
                autoComplete="new-password"
                required
                wrong={problem?.fields["password"]}
              />
            )}
            {path === JOIN && who && <p>You join as {who.user.email}.</p>}
            {path === JOIN && who === null && (
              <p>
                <Link to="/sign-in">Sign in</Link> or <Link to="/register">create an account</Link> with the address
                that was invited, then open the link of the mail again.
              </p>
            )}
            <button type="submit" className="btn primary" disabled={!token || stranger || state === "busy"}>
              {purpose.action}
            </button>
          </>
        )}
      </form>
    </Gate>
  );
}

async function send(path: string, body: object): Promise<void> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw unreachable();
  });
  if (!response.ok) throw problemOf(response.status, await response.json().catch(() => null));
}
