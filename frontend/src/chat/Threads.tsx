import { useEffect, useState } from "react";
import { api } from "../api/client";
import { cache, useRead } from "../api/cache";
import { asProblem, type Problem } from "../api/problem";
import type { Thread } from "../api/types";
import { go, Link } from "../app/router";
import { ago } from "../format";
import { Icon } from "../ui/Icon";
import { ProblemNote, Skeleton } from "../ui/parts";

/** The conversations, newest first; folded away on narrow screens. */
export function Threads({ current }: { current: string | null }) {
  const { data, problem } = useRead("threads", api.threads);
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [current]);
  return (
    <aside className={open ? "threads open" : "threads"} aria-label="Conversations">
      <div className="threads-head">
        <button
          type="button"
          className="btn small threads-toggle"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <Icon name="list" />
          Conversations
        </button>
        <Link to="/chat" className="btn small" aria-current={current === null ? "page" : undefined}>
          <Icon name="plus" />
          New question
        </Link>
      </div>
      <div className="threads-list">
        {problem && <ProblemNote problem={problem} />}
        {!data && !problem && <Skeleton />}
        {data?.items.length === 0 && <p className="muted small">Your questions will be listed here.</p>}
        <ul>
          {data?.items.map((thread) => (
            <ThreadItem key={thread.id} thread={thread} current={thread.id === current} />
          ))}
        </ul>
      </div>
    </aside>
  );
}

function ThreadItem({ thread, current }: { thread: Thread; current: boolean }) {
  return (
    <li>
      <Link to={`/chat/${encodeURIComponent(thread.id)}`} aria-current={current ? "page" : undefined}>
        <span className="thread-title">{thread.title || "Untitled"}</span>
        <span className="muted small">{ago(thread.updated_at, Date.now())}</span>
      </Link>
      {current && <Removal thread={thread} />}
    </li>
  );
}

/** Takes a conversation away for good, once that was said twice. */
function Removal({ thread }: { thread: Thread }) {
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const remove = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await api.deleteThread(thread.id);
      go("/chat");
      cache.invalidate("threads");
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setBusy(false);
    }
  };
  return (
    <div className="thread-removal" role="group" aria-label="Delete this conversation">
      {problem && <ProblemNote problem={problem} />}
      {asked ? (
        <>
          <p className="small soft" role="status">
            Its questions and answers will be gone for good; opportunities stay.
          </p>
          <div className="row">
            <button type="button" className="btn small" disabled={busy} onClick={() => void remove()}>
              Delete
            </button>
            <button type="button" className="btn quiet small" disabled={busy} autoFocus onClick={() => setAsked(false)}>
              Keep
            </button>
          </div>
        </>
      ) : (
        <button type="button" className="btn quiet small" onClick={() => setAsked(true)}>
          <Icon name="cross" />
          Delete conversation
        </button>
      )}
    </div>
  );
}
