import { useEffect, useState, type FormEvent } from "react";
import { Link } from "../app/router";
import { asProblem, Problem } from "../api/problem";
import { session } from "../api/session";
import type { AuthConfig } from "../api/types";
import { Field } from "../ui/Field";
import { ProblemNote } from "../ui/parts";
import { Gate } from "./Gate";

/** Where a sign-in at an identity provider comes back to. */
export const ARRIVED = "/welcome";

/** Why a sign-in at an identity provider came back without a session. */
function cameBackWith(): Problem | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("error");
  if (!code) return null;
  return new Problem({
    message: "Signing in with that account did not work.",
    hint: "Try again, or sign in with your e-mail and password.",
    code,
  });
}

export function SignInPage({ mode }: { mode: "sign-in" | "register" }) {
  return (
    <Gate>
      <Form key={mode} register={mode === "register"} />
    </Gate>
  );
}

function Form({ register }: { register: boolean }) {
  const [problem, setProblem] = useState<Problem | null>(cameBackWith);
  const [busy, setBusy] = useState(false);
  const [mailed, setMailed] = useState<string | null>(null);
  const [config, setConfig] = useState<AuthConfig | null>(null);
  useEffect(() => {
    document.title = `${register ? "Create an account" : "Sign in"} · Netra Apex`;
    fetch("/auth/config")
      .then((response) => response.json())
      .then(setConfig, () => undefined);
  }, [register]);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    setBusy(true);
    setProblem(null);
    try {
      const password = String(data.get("password") ?? "");
      if (!register) await session.signIn(text("email"), password);
      else if (!(await session.register(text("name"), text("email"), password))) setMailed(text("email"));
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setBusy(false);
  };

  if (mailed) {
    return (
      <div className="box stack">
        <h1>Look at your mail</h1>
        <p>
          A link is on its way to <strong>{mailed}</strong>. It confirms the address and lets you in.
        </p>
        <Link to="/sign-in">Back to sign in</Link>
      </div>
    );
  }
  const least = config?.password.min_length;
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <h1>{register ? "Create an account" : "Sign in"}</h1>
      {problem && <ProblemNote problem={problem} />}
      {register && <Field label="Name" name="name" autoComplete="name" placeholder="Optional" maxLength={200} />}
      <Field
        label="E-mail"
        name="email"
        type="email"
        autoComplete={register ? "email" : "username"}
        required
        wrong={problem?.fields["email"]}
      />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete={register ? "new-password" : "current-password"}
        required
        minLength={register ? least : undefined}
        help={
          register
            ? `${least ? `At least ${least} characters. ` : ""}Three or four unrelated words are easy to keep and hard to guess.`
            : undefined
        }
        wrong={problem?.fields["password"]}
      />
      <button type="submit" className="btn primary" disabled={busy}>
        {busy ? "One moment…" : register ? "Create the account" : "Sign in"}
      </button>
      {config && config.providers.length > 0 && (
        <div className="stack providers">
          <span className="muted small">or</span>
          {config.providers.map((provider) => (
            <a
              key={provider.name}
              className="btn"
              href={`/auth/oauth/${encodeURIComponent(provider.name)}/start?next=${ARRIVED}`}
            >
              Continue with {provider.label}
            </a>
          ))}
        </div>
      )}
      <p className="soft">
        {register ? "You have an account? " : "New here? "}
        <Link to={register ? "/sign-in" : "/register"}>{register ? "Sign in" : "Create an account"}</Link>
      </p>
    </form>
  );
}
