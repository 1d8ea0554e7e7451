/** Round tick values from 0 (or the lowest value, when negative) to at least the highest. */
export function ticks(low: number, high: number, wanted = 4): number[] {
  const bottom = Math.min(0, low);
  const span = high - bottom || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? 10 * power;
  const from = Math.floor(bottom / step + 1e-9);
  const to = Math.ceil((high || bottom + span) / step - 1e-9);
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, i) => (from + i) * step);
}

/** Maps [fromLow, fromHigh] onto [toLow, toHigh]. */
export function linear(fromLow: number, fromHigh: number, toLow: number, toHigh: number) {
  const span = fromHigh - fromLow || 1;
  return (value: number): number => toLow + ((value - fromLow) / span) * (toHigh - toLow);
}

/** Which of n labels are shown when there is room for `room`: the first, then evenly. */
export function shownLabels(n: number, room: number): Set<number> {
  const every = Math.max(1, Math.ceil(n / Math.max(1, room)));
  return new Set(Array.from({ length: n }, (_, i) => i).filter((i) => i % every === 0));
}
