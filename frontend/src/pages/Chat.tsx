import { useCallback, useEffect, useRef } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { Message, Page, WhileBusy } from "../api/types";
import { go } from "../app/router";
import { Composer } from "../chat/Composer";
import { Held } from "../chat/Held";
import { questions } from "../chat/questions";
import { RunsAfter } from "../chat/RunsAfter";
import { RunView } from "../chat/RunView";
import { Threads } from "../chat/Threads";
import { useOpenRuns, useRun } from "../live/live";
import { discard, send, sendAgain, useUnsent, type Unsent } from "../live/outbox";
import { Peak } from "../ui/Contours";
import { Icon } from "../ui/Icon";
import { ProblemNote, Skeleton } from "../ui/parts";

const open = (threadId: string) => {
  if (location.pathname === "/chat") go(`/chat/${encodeURIComponent(threadId)}`, { replace: true });
};

export function ChatPage({ threadId }: { threadId: string | null }) {
  const ask = useCallback(
    (text: string, whileBusy?: WhileBusy) => send(text, threadId, open, whileBusy),
    [threadId],
  );
  const openRuns = useOpenRuns(threadId);
  return (
    <div className="chat">
      <h1 className="visually-hidden">Chat</h1>
      <Threads current={threadId} />
      <div className="conversation">
        <Conversation key={threadId ?? "new"} threadId={threadId} ask={ask} />
        <div className="conversation-foot">
          <Held />
          <Composer onSend={ask} focusKey={threadId ?? "new"} openRuns={openRuns} />
        </div>
      </div>
    </div>
  );
}

function Conversation({ threadId, ask }: { threadId: string | null; ask: (text: string) => void }) {
  const key = threadId === null ? null : `messages:${threadId}`;
  const { data, problem } = useRead<Page<Message>>(key, () => api.messages(threadId ?? ""));
  const unsent = useUnsent().filter((message) => message.threadId === threadId);
  const messages = data?.items ?? [];
  const last = messages.findLast((message) => message.run_id !== null)?.run_id ?? "";
  const end = useStayAtEnd(messages.length + unsent.length, last);
  const reload = () => key && void cache.load(key, () => api.messages(threadId ?? ""));
  if (threadId === null && unsent.length === 0) return <Welcome ask={ask} />;
  return (
    <div className="messages">
      {problem && problem.status === 404 ? (
        <ProblemNote problem={problem} />
      ) : (
        problem && <ProblemNote problem={problem} retry={reload} />
      )}
      {threadId !== null && !data && !problem && unsent.length === 0 && <Skeleton />}
      {messages
        .filter((message) => message.role === "user" || message.run_id === null)
        .map((message) => (
          <Exchange key={message.run_id ?? message.id} message={message} ask={ask} />
        ))}
      {unsent.map((message) => (
        <UnsentMessage key={message.clientId} message={message} />
      ))}
      <div ref={end} />
    </div>
  );
}

function Exchange({ message, ask }: { message: Message; ask: (text: string) => void }) {
  return (
    <>
      <div className={message.role === "user" ? "said" : "answered"}>
        <span className="visually-hidden">{message.role === "user" ? "You asked: " : "Apex: "}</span>
        {message.content}
      </div>
      {message.role === "user" && message.run_id && (
        <>
          <RunView runId={message.run_id} onAsk={ask} />
          <RunsAfter runId={message.run_id} threadId={message.thread_id} onAsk={ask} />
        </>
      )}
    </>
  );
}

function UnsentMessage({ message }: { message: Unsent }) {
  return (
    <>
      <div className={`said ${message.state}`}>{message.content}</div>
      {message.state === "sending" ? (
        <p className="muted small sending" role="status">
          Sending…
        </p>
      ) : (
        <div className="stack">
          {message.problem && (
            <ProblemNote problem={message.problem} retry={() => sendAgain(message.clientId, open)} />
          )}
          <button type="button" className="btn quiet small" onClick={() => discard(message.clientId)}>
            <Icon name="cross" />
            Discard
          </button>
        </div>
      )}
    </>
  );
}

function Welcome({ ask }: { ask: (text: string) => void }) {
  const { data } = useRead("summary", api.summary);
  const features = useRead("breakdown:feature", () => api.breakdown("feature"));
  const named = (features.data?.items ?? []).map((row) => row.key).filter((name) => /^\w/.test(name));
  const known = features.data !== undefined || features.problem !== null;
  return (
    <div className="welcome">
      <Peak />
      <h2>What should your AI cost?</h2>
      <p className="soft">
        Ask in plain words. Agents read your usage, replay it, and come back with figures you can check.
      </p>
      {data?.requests === 0 && (
        <div className="note warn">
          <Icon name="info" />
          <div>
            There is no usage here yet, so answers will say what is missing.{" "}
            <a href="/data" onClick={(event) => (event.preventDefault(), go("/data"))}>
              Bring a file first
            </a>
            .
          </div>
        </div>
      )}
      <ul className="suggestions" aria-label="Suggested questions" hidden={!known}>
        {questions(named).map(({ text, gives }) => (
          <li key={text}>
            <button type="button" onClick={() => ask(text)}>
              <span>{text}</span>
              <span className="muted small">{gives}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Keeps the end in view as messages and progress come, unless the reader has scrolled away. */
function useStayAtEnd(count: number, lastRun: string) {
  const end = useRef<HTMLDivElement>(null);
  const near = useRef(true);
  const run = useRun(lastRun);
  const reported = run?.report !== null && run?.report !== undefined;
  useEffect(() => {
    const measure = () => {
      near.current = window.innerHeight + window.scrollY > document.body.scrollHeight - 140;
    };
    window.addEventListener("scroll", measure, { passive: true });
    return () => window.removeEventListener("scroll", measure);
  }, []);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [count]);
  useEffect(() => {
    if (near.current && !reported) end.current?.scrollIntoView({ block: "end" });
  }, [run?.runSeq, run?.draft?.text.length, reported]);
  const live = useRef(false);
  useEffect(() => {
    if (run && !reported) live.current = true;
    if (reported && live.current && near.current) {
      live.current = false;
      const said = end.current?.parentElement?.querySelectorAll(".said");
      said?.item(said.length - 1)?.scrollIntoView({ block: "start" });
    }
  }, [run, reported]);
  return end;
}
