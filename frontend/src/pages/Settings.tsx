import type { Session } from "../api/types";
import { Keys } from "../settings/Keys";
import { Kept } from "../settings/Kept";
import { Leave } from "../settings/Leave";
import { Places } from "../settings/Places";
import { Remove } from "../settings/Remove";
import { PageHead } from "../ui/parts";
import "../styles/settings.css";

/** Keys, what is kept of usage and what goes, and the way out. Loaded when it is first looked at. */
export function SettingsPage({ who }: { who: Session }) {
  const { role, name } = who.workspace;
  const manages = role === "owner" || role === "admin";
  return (
    <div className="page stack settings">
      <PageHead title="Settings" lead={`Of the workspace ${name}, where you are ${role}, and of your account.`} />
      <Keys mayWrite={role !== "viewer"} />
      <Kept manages={manages} />
      <Remove manages={manages} />
      <Places who={who} />
      <Leave who={who} />
    </div>
  );
}
