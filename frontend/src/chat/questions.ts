/** First questions: each asks for another kind of answer. */
export const QUESTIONS: readonly { text: string; gives: string }[] = [
  {
    text: "What can we save without losing quality?",
    gives: "Ranked savings, replayed",
  },
  {
    text: "Make it cheaper at equal quality: feature search may take 500 ms, feature checkout must stay at 200 ms.",
    gives: "Savings under limits",
  },
  { text: "Audit every use of prompt caching.", gives: "Where caching pays, where it loses" },
  {
    text: "Was yesterday's upgrade worth it? Roll back where quality hardly moved but cost rose.",
    gives: "A change reviewed",
  },
  { text: "What do we spend most on, and what changed?", gives: "Spend by model and feature" },
];
