import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import type { WhileBusy } from "../api/types";
import { Icon } from "../ui/Icon";
import { lengthNote } from "./length";
import { WhileBusyChoice } from "./WhileBusy";

interface ComposerProps {
  onSend: (text: string, whileBusy: WhileBusy) => void;
  focusKey: string;
  /** How many runs work or wait in this conversation. */
  openRuns: number;
}

/** Said aloud only where something has to be done. */
function Length({ note }: { note: ReturnType<typeof lengthNote> }) {
  return (
    <p
      id="question-length"
      className={note?.over ? "length wrong small" : "length muted small"}
      aria-live={note?.over ? "polite" : "off"}
      hidden={!note}
    >
      {note?.text}
    </p>
  );
}

/** Where a question is written. Enter sends, Shift and Enter begin a new line. */
export function Composer({ onSend, focusKey, openRuns }: ComposerProps) {
  const busy = openRuns > 0;
  const [text, setText] = useState("");
  const [whileBusy, setWhileBusy] = useState<WhileBusy>("enqueue");
  const box = useRef<HTMLTextAreaElement>(null);
  const choosing = useRef(false);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) box.current?.focus({ preventScroll: true });
  }, [focusKey]);
  useEffect(() => {
    if (!box.current) return;
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight + 2, 220)}px`;
  }, [text]);
  useEffect(() => {
    if (busy) return;
    setWhileBusy("enqueue"); // what was chosen was said of runs that have ended
    if (choosing.current) box.current?.focus({ preventScroll: true }); // the choice went with the focus
    choosing.current = false;
  }, [busy]);
  const content = text.trim();
  const note = lengthNote(content);
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!content || note?.over) return;
    onSend(content, whileBusy);
    setText("");
    setWhileBusy("enqueue");
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      submit();
    }
  };
  return (
    <form className="composer" onSubmit={submit}>
      {busy && (
        <div
          className="choices"
          onFocus={() => (choosing.current = true)}
          onBlur={() => (choosing.current = false)}
        >
          <WhileBusyChoice many={openRuns > 1} value={whileBusy} onChange={setWhileBusy} />
        </div>
      )}
      <Length note={note} />
      <label className="visually-hidden" htmlFor="question">
        Your question
      </label>
      <textarea
        id="question"
        ref={box}
        rows={1}
        value={text}
        aria-invalid={note?.over || undefined}
        aria-describedby={note ? "question-length" : undefined}
        placeholder="Ask about your usage"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={key}
      />
      <button type="submit" className="btn primary send" aria-label="Send" disabled={!content || note?.over}>
        <Icon name="send" />
      </button>
    </form>
  );
}
