import { useState } from "react";
import { cache, useRead } from "../api/cache";
import { api as usage } from "../api/client";
import { session } from "../api/session";
import type { Me, Session, UsageSummary } from "../api/types";
import { go } from "../app/router";
import { count, period } from "../format";
import { Field } from "../ui/Field";
import { ProblemNote, Skeleton } from "../ui/parts";
import { api, type Place } from "./api";
import { AskSure, Section } from "./parts";
import { calls, ownerless } from "./words";

/** Deleting the workspace, or oneself; what goes is named before. */
export function Leave({ who }: { who: Session }) {
  const places = useRead("settings:places", api.places);
  const me = useRead("settings:me", api.me);
  const summary = useRead("summary", usage.summary);
  const problem = places.problem ?? me.problem ?? summary.problem;
  const retry = () => ["settings:places", "settings:me", "summary"].forEach((key) => cache.invalidate(key));
  const here = places.data?.find((place) => place.workspace.id === who.workspace.id);
  const known = here && places.data && me.data && summary.data;
  return (
    <Section title="Delete for good" lead="What is deleted here does not come back, and nobody can bring it back for you.">
      {problem && <ProblemNote problem={problem} retry={retry} />}
      {!known && !problem && <Skeleton lines={2} />}
      {known && <LeaveWorkspace place={here} only={places.data?.length === 1} used={summary.data as UsageSummary} />}
      {known && <LeaveAll me={me.data as Me} places={places.data as Place[]} used={summary.data as UsageSummary} here={here} />}
    </Section>
  );
}

function LeaveWorkspace({ place, only, used }: { place: Place; only: boolean; used: UsageSummary }) {
  const { workspace, members } = place;
  const [typed, setTyped] = useState("");
  const others = members.length - 1;
  const erase = async () => {
    await api.eraseWorkspace(workspace.id);
    await session.refresh(); // leads to another workspace of mine
    go("/");
  };
  const why =
    workspace.role !== "owner"
      ? "Only an owner can delete it."
      : only
        ? "It is your only workspace, so it goes with your account alone."
        : null;
  return (
    <div className="stack leaving">
      <h3>The workspace {workspace.name}</h3>
      {why !== null ? (
        <p className="soft">{why}</p>
      ) : (
        <AskSure
          open="Delete this workspace"
          name={`Delete the workspace ${workspace.name}`}
          act="Delete the workspace"
          keep="Keep it"
          onAct={erase}
          ready={typed.trim() === workspace.name}
        >
          <p>
            <strong>These go for good:</strong>
          </p>
          <ul className="goes">
            <li>{usedWords(used)}, and the files still on their way in</li>
            <li>all analyses, opportunities and reports</li>
            <li>the conversations of everybody in it, with their runs</li>
            <li>its settings, API keys and open invitations</li>
            {others > 0 && (
              <li>
                the membership of {count(others)} {others === 1 ? "other person" : "other people"}:{" "}
                {members.map((member) => member.email).join(", ")}
              </li>
            )}
          </ul>
          <Field
            label={`Type ${workspace.name} to confirm`}
            value={typed}
            autoComplete="off"
            onChange={(event) => setTyped(event.target.value)}
          />
        </AskSure>
      )}
    </div>
  );
}

function LeaveAll({ me, places, used, here }: { me: Me; places: Place[]; used: UsageSummary; here: Place }) {
  const [password, setPassword] = useState("");
  const alone = places.filter((place) => place.members.length === 1);
  const shared = places.filter((place) => place.members.length > 1);
  const stuck = ownerless(places, me.user.id).map(({ workspace }) => workspace.name);
  const erase = async () => {
    await api.eraseMe(me.has_password ? password : null);
    await session.signOut();
  };
  return (
    <div className="stack leaving">
      <h3>Your account {me.user.email}</h3>
      {stuck.length > 0 ? (
        <p className="soft">You are the only owner of {stuck.join(", ")}: make another member an owner there first.</p>
      ) : (
        <AskSure
          open="Delete your account"
          name="Delete your account"
          act="Delete the account"
          keep="Keep it"
          onAct={erase}
          ready={!me.has_password || password !== ""}
        >
          <p>
            <strong>These go for good:</strong>
          </p>
          <ul className="goes">
            <li>your account, its sign-ins and API keys</li>
            <li>your conversations, runs and settings in every workspace</li>
            {alone.map(({ workspace }) => (
              <li key={workspace.id}>
                the workspace {workspace.name}, where you are alone, with everything in it
                {workspace.id === here.workspace.id && used.requests > 0 && `: ${usedWords(used)}`}
              </li>
            ))}
          </ul>
          {shared.length > 0 && (
            <p className="small">
              {shared.map(({ workspace }) => workspace.name).join(", ")} will stay for the others, with usage and analyses
              but without your name.
            </p>
          )}
          {me.has_password ? (
            <Field
              label="Your password"
              type="password"
              autoComplete="current-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          ) : (
            <p className="small">You sign in without a password here, so this asks for a sign-in of the last quarter of an hour.</p>
          )}
        </AskSure>
      )}
    </div>
  );
}

function usedWords(used: UsageSummary): string {
  return used.requests ? `${calls(used.requests)}, ${period(used.first, used.last)}` : "its usage, which is empty now";
}
