import type { WhileBusy } from "../api/types";

const CHOICES: { value: WhileBusy; label: string; ofMany?: string }[] = [
  { value: "enqueue", label: "waits its turn" },
  { value: "interrupt", label: "stops it", ofMany: "stops them all" },
  { value: "reject", label: "is not sent" },
];

interface WhileBusyProps {
  /** More than one run works or waits. */
  many: boolean;
  value: WhileBusy;
  onChange: (value: WhileBusy) => void;
}

/** What happens to a question that is asked while a run works in the conversation. */
export function WhileBusyChoice({ many, value, onChange }: WhileBusyProps) {
  return (
    <fieldset className="while-busy small">
      <legend>{many ? "Runs work or wait here. Your question" : "A run works here. Your question"}</legend>
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
            {(many && choice.ofMany) || choice.label}
          </label>
        ))}
      </span>
    </fieldset>
  );
}
