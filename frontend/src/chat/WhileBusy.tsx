import type { WhileBusy } from "../api/types";

const CHOICES: { value: WhileBusy; label: string }[] = [
  { value: "enqueue", label: "waits its turn" },
  { value: "interrupt", label: "stops it" },
  { value: "reject", label: "is not sent" },
];

/** What happens to a question that is asked while a run works in the conversation. */
export function WhileBusyChoice({ value, onChange }: { value: WhileBusy; onChange: (value: WhileBusy) => void }) {
  return (
    <fieldset className="while-busy small">
      <legend>A run works here. Your question</legend>
      <span className="segments">
        {CHOICES.map((choice) => (
          <label key={choice.value}>
            <input
              type="radio"
              name="while-busy"
              value={choice.value}
              checked={value === choice.value}
              onChange={() => onChange(choice.value)}
            />
            {choice.label}
          </label>
        ))}
      </span>
    </fieldset>
  );
}
