import { useEffect, useRef, useState, type FormEvent, type Ref } from "react";
import { cache, useRead } from "../api/cache";
import type { ApiKey, NewApiKey } from "../api/types";
import { ago, fullDay } from "../format";
import { Field } from "../ui/Field";
import { CopyButton, ProblemNote, Skeleton } from "../ui/parts";
import { api } from "./api";
import { AskSure, Section, useAct } from "./parts";
import { moment, scopeWords } from "./words";

const LIVES = [7, 30, 90, 365];
const USUAL = 90;

/** Keys of scripts: made with an end, shown once, revoked at once. */
export function Keys({ mayWrite }: { mayWrite: boolean }) {
  const { data, problem } = useRead("settings:keys", api.keys);
  const [made, setMade] = useState<NewApiKey | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const taken = () => {
    setMade(null);
    form.current?.querySelector("input")?.focus();
  };
  return (
    <Section
      title="API keys"
      lead="With a key, a script or an exporter brings calls to this workspace in your name. It can do nothing else, and ends when you leave the workspace."
    >
      {problem && <ProblemNote problem={problem} retry={() => cache.invalidate("settings:keys")} />}
      {!data && !problem && <Skeleton lines={2} />}
      {data?.items.length === 0 && <p className="soft">There is no key yet.</p>}
      {data && data.items.length > 0 && (
        <ul className="lines" aria-label="API keys">
          {data.items.map((key) => (
            <KeyLine key={key.id} item={key} onRevoked={() => made?.id === key.id && setMade(null)} />
          ))}
        </ul>
      )}
      {made && <Made made={made} onDone={taken} />}
      {mayWrite ? (
        <NewKey ref={form} onMade={setMade} />
      ) : (
        <p className="soft small">Viewers bring no calls, so they have no keys. An owner or admin changes roles.</p>
      )}
    </Section>
  );
}

function KeyLine({ item, onRevoked }: { item: ApiKey; onRevoked: () => void }) {
  const used = item.used_at === null ? "never used" : `used ${ago(moment(item.used_at), Date.now())}`;
  const revoke = async () => {
    await api.revokeKey(item.id);
    onRevoked();
    cache.invalidate("settings:keys");
  };
  return (
    <li>
      <div className="grow">
        <strong>{item.name}</strong> <code>{item.hint}…</code>
        <p className="small soft">
          {scopeWords(item.scopes)}, {used}, ends {fullDay(moment(item.expires_at))}
        </p>
      </div>
      <AskSure open="Revoke" name={`Revoke ${item.name}`} act="Revoke it" keep="Keep it" onAct={revoke}>
        <p>
          <strong>Revoke {item.name}?</strong> Whatever uses it is refused from now on. A revoked key does not come back.
        </p>
      </AskSure>
    </li>
  );
}

function NewKey({ ref, onMade }: { ref: Ref<HTMLFormElement>; onMade: (made: NewApiKey) => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState(USUAL);
  const [act, busy, problem] = useAct();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      onMade(await api.createKey(name.trim(), days));
      setName("");
      cache.invalidate("settings:keys");
    });
  };
  return (
    <form ref={ref} className="stack" onSubmit={submit} aria-label="New API key">
      <div className="line-form">
        <Field
          label="Name of the key"
          placeholder="nightly import"
          required
          maxLength={200}
          value={name}
          wrong={problem?.fields["name"]}
          onChange={(event) => setName(event.target.value)}
        />
        <label className="field">
          <span className="label">Ends after</span>
          <select className="input" value={days} onChange={(event) => setDays(Number(event.target.value))}>
            {LIVES.map((life) => (
              <option key={life} value={life}>
                {life === 365 ? "a year" : `${life} days`}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" className="btn primary" disabled={busy || !name.trim()}>
          Create the key
        </button>
      </div>
      {problem && !problem.fields["name"] && <ProblemNote problem={problem} />}
    </form>
  );
}

/** The one sight of a key. */
function Made({ made, onDone }: { made: NewApiKey; onDone: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.focus();
  }, [made.id]);
  return (
    <div ref={box} tabIndex={-1} className="note good" role="group" aria-label={`The new key ${made.name}`}>
      <div className="stack grow made">
        <p>
          <strong>This is {made.name}.</strong> It is shown this once: copy it to where your script reads it.
        </p>
        <code className="secret">{made.key}</code>
        <p className="small">
          Scripts send <code>Authorization: Bearer</code> and the key to <code>/api/usage/import</code>, exporters of
          OpenTelemetry to <code>/v1/traces</code>.
        </p>
        <div className="row">
          <CopyButton text={made.key} label="Copy the key" />
          <button type="button" className="btn quiet small" onClick={onDone}>
            I have it
          </button>
        </div>
      </div>
    </div>
  );
}
