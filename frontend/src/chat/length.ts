import { count } from "../format";

/** How long the server takes a question, in characters. */
export const LONGEST = 32_000;
const NEAR = 2_000;

/** What there is to say of a question's length; nothing while it is far from the longest. */
export function lengthNote(text: string): { text: string; over: boolean } | null {
  if (text.length <= LONGEST - NEAR) return null;
  const length = Array.from(text).length; // characters, as the server counts, not UTF-16 units
  const left = LONGEST - length;
  if (left >= 0) return left <= NEAR ? { text: `${count(left)} characters left`, over: false } : null;
  return {
    text: `${count(length)} of at most ${count(LONGEST)} characters: take out ${count(-left)} to send it. Records of calls are brought as a file, on the page Data.`,
    over: true,
  };
}
