const RINGS = 11;
const POINTS = 72;

/** A closed contour line of a mountain, the higher the smaller; the same shape every time. */
function ring(level: number): string {
  const size = 1 - level / (RINGS + 1.5);
  const cx = 420 + level * 5;
  const cy = 305 - level * 5;
  const at = (i: number) => {
    const angle = (i / POINTS) * Math.PI * 2;
    const wave =
      1 +
      0.12 * Math.sin(angle * 3 + 0.5 + level * 0.05) +
      0.06 * Math.sin(angle * 5 - 1.1 - level * 0.07) +
      0.02 * Math.cos(angle * 8 + level * 0.12);
    const x = cx + Math.cos(angle) * 400 * size * wave;
    const y = cy + Math.sin(angle) * 255 * size * wave;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  return `M${Array.from({ length: POINTS }, (_, i) => at(i)).join("L")}Z`;
}

/** The sign-in page's map. */
export function Contours() {
  return (
    <svg className="contours" viewBox="0 0 860 600" fill="none" stroke="currentColor" aria-hidden="true">
      {Array.from({ length: RINGS }, (_, level) => (
        <path key={level} d={ring(level)} strokeWidth={level % 4 === 0 ? 1.9 : 1} />
      ))}
      <circle cx="474" cy="252" r="5.5" fill="#f0925a" stroke="none" />
    </svg>
  );
}

/** A small peak for places that are still empty. */
export function Peak() {
  return (
    <svg className="peak" viewBox="0 0 140 64" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
      <path d="M4 60 52 20l14 12 12-16 58 44" strokeLinejoin="round" />
      <path d="M24 60 56 33l11 9 12-13 40 31" opacity="0.7" />
      <path d="M44 60 62 46l6 5 12-10 23 19" opacity="0.45" />
      <circle cx="78" cy="10" r="3.5" fill="var(--s2)" stroke="none" />
    </svg>
  );
}
