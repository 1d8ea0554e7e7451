export interface Question {
  text: string;
  gives: string;
}

/** First questions, each for another kind of answer, in the words of the data where it has any. */
export function questions(features: readonly string[]): Question[] {
  const [slow = "search", fast = "checkout"] = features;
  return [
    { text: "What can we save without losing quality?", gives: "Ranked savings, replayed" },
    {
      text: `Make it cheaper at equal quality: feature ${slow} may take 500 ms, feature ${fast} must stay at 200 ms.`,
      gives: "Savings under limits",
    },
    { text: "Audit every use of prompt caching.", gives: "Where caching pays, where it loses" },
    {
      text: "Was yesterday's upgrade worth it? Roll back where quality hardly moved but cost rose.",
      gives: "A change reviewed",
    },
    { text: "What do we spend most on, and what changed?", gives: "Spend by model and feature" },
  ];
}
