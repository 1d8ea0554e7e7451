import { useId, type InputHTMLAttributes } from "react";

type FieldProps = InputHTMLAttributes<HTMLInputElement> & {
  label: string;
  help?: string | undefined;
  wrong?: string | undefined;
};

/** A labelled input whose help and error are tied to it. */
export function Field({ label, help, wrong, ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        className="input"
        aria-invalid={wrong ? true : undefined}
        aria-describedby={help || wrong ? `${id}-help` : undefined}
      />
      {(help || wrong) && (
        <p id={`${id}-help`} className={wrong ? "wrong" : "help"}>
          {wrong || help}
        </p>
      )}
    </div>
  );
}
