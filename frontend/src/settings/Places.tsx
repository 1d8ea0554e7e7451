import { cache, useRead } from "../api/cache";
import { session } from "../api/session";
import type { Session } from "../api/types";
import { count } from "../format";
import { ProblemNote, Skeleton } from "../ui/parts";
import { api, type Place } from "./api";
import { Section, useAct } from "./parts";

/** The workspaces I am in; each is a place of its own, and one is open. */
export function Places({ who }: { who: Session }) {
  const { data, problem } = useRead("settings:places", api.places);
  return (
    <Section title="Your workspaces" lead="Usage, conversations, keys and settings are those of the one that is open.">
      {problem && <ProblemNote problem={problem} retry={() => cache.invalidate("settings:places")} />}
      {!data && !problem && <Skeleton lines={1} />}
      {data && (
        <ul className="lines" aria-label="Workspaces">
          {data.map((place) => (
            <PlaceLine key={place.workspace.id} place={place} open={place.workspace.id === who.workspace.id} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function PlaceLine({ place: { workspace, members }, open }: { place: Place; open: boolean }) {
  const [act, busy, problem] = useAct();
  return (
    <li>
      <div className="grow">
        <strong>{workspace.name}</strong>
        <p className="small soft">
          You are {workspace.role}, {members.length === 1 ? "alone" : `of ${count(members.length)} people`}
        </p>
        {problem && <ProblemNote problem={problem} />}
      </div>
      {open ? (
        <span className="small muted">open now</span>
      ) : (
        <button
          type="button"
          className="btn small"
          aria-label={`Open ${workspace.name}`}
          disabled={busy}
          onClick={() => void act(() => session.enter(workspace.id))}
        >
          Open
        </button>
      )}
    </li>
  );
}
