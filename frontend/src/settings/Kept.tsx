import { useState, type FormEvent } from "react";
import { cache, useRead } from "../api/cache";
import { api as usage } from "../api/client";
import { session } from "../api/session";
import type { Retention } from "../api/types";
import { fullDay } from "../format";
import { Field } from "../ui/Field";
import { ProblemNote, Skeleton } from "../ui/parts";
import { api } from "./api";
import { Section, Sure, useAct } from "./parts";
import { calls, keptSince, takenWords } from "./words";

const MOST_DAYS = 36_500;

/** How long calls are kept, and what goes when that is made shorter. */
export function Kept({ manages }: { manages: boolean }) {
  const { data, problem } = useRead("settings:retention", api.retention);
  const [said, setSaid] = useState("");
  const [back, setBack] = useState(false);
  return (
    <Section title="How long calls are kept" lead={data ? keptWords(data) : "Calls may be kept for ever, or for a number of days."}>
      {problem && <ProblemNote problem={problem} retry={() => cache.invalidate("settings:retention")} />}
      {!data && !problem && <Skeleton lines={1} />}
      {data && manages && (
        <Change key={data.keep_days} now={data} back={back} onBack={() => setBack(true)} onSaid={setSaid} />
      )}
      <p className="small soft" role="status" hidden={!said}>
        {said}
      </p>
      {data && !manages && <p className="soft small">An owner or admin of the workspace can change this.</p>}
    </Section>
  );
}

function keptWords({ keep_days: days, kept_since: since, calls_due: due }: Retention): string {
  if (days === null || since === null) return "Calls of this workspace are kept for ever.";
  const goes = due ? ` ${calls(due)} of before then still ${due === 1 ? "has" : "have"} to go.` : "";
  return `Calls are kept ${days} ${days === 1 ? "day" : "days"}, now from ${fullDay(since)} on; older ones are removed for good every night (UTC).${goes}`;
}

/** What a shorter time would take away. */
interface Going {
  days: number;
  since: string;
  calls: number;
}

function SureOfAge({ going, ...on }: { going: Going; onAct: () => Promise<void>; onKeep: () => void }) {
  return (
    <Sure name="Remove what is older" act={`Keep ${going.days} days`} keep="Leave it as it is" {...on}>
      <p>
        <strong>{calls(going.calls)}</strong> from before {fullDay(going.since)} will be removed for good within the
        hour, and after that whatever gets older than {going.days} days. Reports that were made of them stay.
      </p>
    </Sure>
  );
}

interface ChangeProps {
  now: Retention;
  /** The focus was here, and comes back. */
  back: boolean;
  onBack: () => void;
  onSaid: (said: string) => void;
}

function Change({ now, back, onBack, onSaid }: ChangeProps) {
  const [text, setText] = useState(String(now.keep_days ?? ""));
  const [going, setGoing] = useState<Going | null>(null);
  const [act, busy, problem] = useAct();
  const days = Number(text);
  const wrong = text !== "" && !(Number.isInteger(days) && days >= 1 && days <= MOST_DAYS);
  const close = () => {
    onBack();
    setGoing(null);
  };
  const change = async (wanted: number | null) => {
    await (wanted === null ? api.keepForEver() : api.keepDays(wanted));
    onSaid(takenWords(wanted, (await api.retention()).keep_days));
    close();
    cache.invalidate("settings:retention");
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const turn = session.turn;
    void act(async () => {
      const since = keptSince(new Date().toISOString().slice(0, 10), days);
      const { requests } = await usage.summaryOf(`to=${since}T00:00:00Z`);
      if (requests) setGoing({ days, since, calls: requests });
      else if (session.turn === turn) await change(days);
    });
  };
  if (going) return <SureOfAge going={going} onKeep={close} onAct={() => change(going.days)} />;
  return (
    <form className="stack" onSubmit={submit} aria-label="How long calls are kept">
      <div className="line-form">
        <Field
          label="Days that calls are kept"
          inputMode="numeric"
          placeholder="for ever"
          autoFocus={back}
          value={text}
          wrong={wrong ? `A whole number from 1 to ${MOST_DAYS}.` : undefined}
          onChange={(event) => setText(event.target.value.trim())}
        />
        <button type="submit" className="btn" disabled={busy || wrong || text === "" || days === now.keep_days}>
          Keep them so long
        </button>
        {now.keep_days !== null && (
          <button type="button" className="btn quiet" disabled={busy} onClick={() => void act(() => change(null))}>
            Keep them for ever
          </button>
        )}
      </div>
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}
