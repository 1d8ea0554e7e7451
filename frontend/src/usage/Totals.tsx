import type { UsageSummary } from "../api/types";
import { count, usd } from "../format";
import { Link } from "../app/router";
import { Icon } from "../ui/Icon";

export function Tile({ label, value, note }: { label: string; value: string; note: string }) {
  return (
    <div className="tile">
      <dt>{label}</dt>
      <dd>
        <strong>{value}</strong>
        <span>{note}</span>
      </dd>
    </div>
  );
}

/** What the calls with a price cost, in all and each. */
export function Spend({ summary }: { summary: UsageSummary }) {
  const priced = summary.requests - Object.values(summary.unpriced).reduce((sum, n) => sum + n, 0);
  if (priced <= 0) return <Tile label="Spend" value="no price" note="no call has one" />;
  return <Tile label="Spend" value={usd(summary.cost_usd)} note={`${usd(summary.cost_usd / priced)} a call`} />;
}

/** Calls that no sum of money holds, said where the sums stand. */
export function Unpriced({ summary }: { summary: UsageSummary }) {
  const models = Object.entries(summary.unpriced);
  if (!models.length) return null;
  const calls = models.reduce((sum, [, n]) => sum + n, 0);
  const names = models.slice(0, 4).map(([name, n]) => `${name || "no name"} (${count(n)})`);
  const more = models.length > 4 ? ` and ${models.length - 4} more` : "";
  return (
    <div className="note warn">
      <Icon name="warn" />
      <div>
        <strong>{calls === 1 ? "1 call has" : `${count(calls)} calls have`} no price</strong>, counted in no sum of money:{" "}
        {names.join(", ")}
        {more}.{" "}
        <Link to="/data">Bring their file again with the model they ran on</Link>, or price it with{" "}
        <code>apex analyze --alias {models[0]?.[0] || "NAME"}=MODEL</code>.
      </div>
    </div>
  );
}
