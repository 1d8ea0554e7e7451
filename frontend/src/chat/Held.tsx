import { useEffect } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { Pause } from "../api/types";
import { words } from "../format";
import { Icon } from "../ui/Icon";

const LOOK_AGAIN_MS = 15_000;
const LOOK_AGAIN_HELD_MS = 1500;

/** Says that new runs wait, and why, while somebody holds them. */
export function Held() {
  const { data } = useRead("pauses", api.pauses);
  const mine = (data?.items ?? []).filter((pause) => pause.holds_me);
  const held = mine.length > 0;
  useEffect(() => {
    const timer = setInterval(() => cache.invalidate("pauses"), held ? LOOK_AGAIN_HELD_MS : LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [held]);
  return (
    <div role="status" className="held-bar">
      {mine.map((pause) => (
        <div key={`${pause.scope} ${pause.key}`} className="note warn held">
          <Icon name="stop" />
          <div>
            <strong>{whatIsHeld(pause)}</strong> {pause.reason}
            <p className="small">What runs, runs on. Questions that you ask now wait and begin when this is lifted.</p>
          </div>
        </div>
      ))}
    </div>
  );
}

function whatIsHeld(pause: Pause): string {
  if (pause.scope === "user") return "Your new runs are paused.";
  const name = pause.scope === "agent" ? words(pause.key) : pause.key;
  return `New runs are paused for the ${pause.scope} ${name}.`;
}
