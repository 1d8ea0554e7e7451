import { go } from "../app/router";
import type { UsageSummary } from "../api/types";
import { Icon } from "../ui/Icon";
import { addressOf, dayAfter, DIMENSIONS, isNarrowed, labelOf, type Choice, type Narrowing } from "./choice";

const PERIODS = [
  { days: 0, label: "All" },
  { days: 1, label: "Last day" },
  { days: 7, label: "7 days" },
  { days: 30, label: "30 days" },
];

/** By what the calls are split, of which days, and what they are narrowed to. */
export function Controls({ choice, whole }: { choice: Choice; whole: UsageSummary }) {
  const turn = (change: Partial<Choice>) => go(addressOf({ ...choice, ...change }), { replace: true });
  const newest = (whole.last ?? "").slice(0, 10);
  const period = (days: number) =>
    days ? { from: dayAfter(newest, 1 - days), until: newest } : { from: "", until: "" };
  const isNow = (days: number) => {
    const one = period(days);
    return one.from === choice.from && one.until === choice.until;
  };
  const without = (name: Narrowing) => {
    const { [name]: _, ...only } = choice.only;
    turn({ only });
  };
  return (
    <div className="stack controls">
      <div role="group" aria-label="Split by" className="segments">
        {DIMENSIONS.map(({ by, label }) => (
          <button key={by} type="button" aria-pressed={choice.by === by} onClick={() => turn({ by })}>
            {label}
          </button>
        ))}
      </div>
      <div className="row">
        <div role="group" aria-label="Period, counted back from the newest call" className="segments">
          {PERIODS.map(({ days, label }) => (
            <button key={days} type="button" aria-pressed={isNow(days)} onClick={() => turn(period(days))}>
              {label}
            </button>
          ))}
        </div>
        <label className="when">
          From
          <input
            type="date"
            value={choice.from}
            max={choice.until || undefined}
            onChange={(event) => turn({ from: event.target.value })}
          />
        </label>
        <label className="when">
          until
          <input
            type="date"
            value={choice.until}
            min={choice.from || undefined}
            onChange={(event) => turn({ until: event.target.value })}
          />
        </label>
        <span className="muted small">days in UTC</span>
      </div>
      {isNarrowed(choice) && (
        <ul className="row chips" aria-label="Narrowed to">
          {(Object.entries(choice.only) as [Narrowing, string][]).map(([name, value]) => (
            <li key={name}>
              <button type="button" className="chip" onClick={() => without(name)}>
                <span className="visually-hidden">Take away: </span>
                {labelOf(name)}: <strong>{value || "none"}</strong>
                <Icon name="cross" className="icon tiny" />
              </button>
            </li>
          ))}
          <li>
            <button
              type="button"
              className="btn quiet small"
              onClick={() => turn({ only: {}, from: "", until: "" })}
            >
              Show everything
            </button>
          </li>
        </ul>
      )}
    </div>
  );
}
