import { useId, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { axisLabel, axisTexts, inUnit } from "../format";
import type { ReportPlot } from "../api/types";
import { linear, shownLabels, ticks } from "./scale";

const COLOURS = ["var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)", "var(--s6)"];

/** Green is money kept, ember is what was paid: "before" and "after" keep their colours everywhere. */
function colourOf(label: string, index: number): string {
  if (/^(before|billed|paid|today|spend|spent|cost)\b/i.test(label)) return "var(--s2)";
  if (/^after\b/i.test(label)) return "var(--s1)";
  return COLOURS[index % COLOURS.length] ?? "var(--s1)";
}

const LEFT = 58;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 26;

export interface PlotProps {
  plot: ReportPlot;
  height?: number;
  /** Shown above the plot; the plot's title where absent. */
  heading?: ReactNode;
  /** Draw named things as a list of bars, however short their names are. */
  list?: boolean;
}

/** A plot as SVG, with every value in a table for who cannot see it or wants the numbers. */
export function Plot({ plot: given, height = 220, heading, list }: PlotProps) {
  const plot = { ...given, x: axisTexts(given.x) };
  const titleId = useId();
  const [asTable, setAsTable] = useState(false);
  const empty = plot.series.every((s) => s.values.every((v) => v === null));
  if (empty) return null;
  return (
    <figure className="plot" aria-labelledby={titleId}>
      <div className="row between plot-head">
        <figcaption id={titleId}>{heading ?? plot.title}</figcaption>
        <button
          type="button"
          className="btn quiet small"
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? "As plot" : "As table"}
        </button>
      </div>
      {plot.series.length > 1 && !asTable && <Legend plot={plot} />}
      {asTable ? (
        <PlotTable plot={plot} />
      ) : (list ?? isList(plot)) ? (
        <BarList plot={plot} />
      ) : (
        <Drawing plot={plot} height={height} />
      )}
    </figure>
  );
}

/** Few named things with one value each read better as a list of bars than under slanted labels. */
function isList(plot: ReportPlot): boolean {
  const named = plot.x.length <= 14 && plot.x.some((label) => label.length > 12);
  return plot.kind === "bar" && plot.series.length === 1 && named;
}

function BarList({ plot }: { plot: ReportPlot }) {
  const values = plot.series[0]?.values ?? [];
  const most = Math.max(...values.map((value) => Math.abs(value ?? 0))) || 1;
  return (
    <ul className="bars">
      {plot.x.map((label, i) => {
        const known = values[i] ?? null;
        const value = known ?? 0;
        return (
          <li key={label}>
            <span className="name" title={label}>
              {label}
            </span>
            <span className="num">{known === null ? "none" : inUnit(known, plot.unit)}</span>
            <span className="track">
              <span
                className={value < 0 ? "loss" : undefined}
                style={{
                  width: `${(Math.abs(value) / most) * 100}%`,
                  ...(value < 0 ? {} : { background: colourOf(plot.series[0]?.label ?? "", 0) }),
                }}
              />
            </span>
          </li>
        );
      })}
    </ul>
  );
}

function Legend({ plot }: { plot: ReportPlot }) {
  return (
    <ul className="row legend">
      {plot.series.map((series, i) => (
        <li key={series.label}>
          <span className="swatch" style={{ background: colourOf(series.label, i) }} />
          {series.label}
        </li>
      ))}
    </ul>
  );
}

export function PlotTable({ plot }: { plot: ReportPlot }) {
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={`${plot.title}, values`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{plot.series.length > 1 ? "" : plot.title}</th>
            {plot.series.map((series) => (
              <th key={series.label} scope="col" className="n">
                {series.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {plot.x.map((x, i) => (
            <tr key={`${x}-${i}`}>
              <th scope="row">{x}</th>
              {plot.series.map((series) => {
                const value = series.values[i];
                return (
                  <td key={series.label} className="n">
                    {value === null || value === undefined ? "none" : inUnit(value, plot.unit)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  useLayoutEffect(() => {
    const box = ref.current;
    if (!box) return undefined;
    const measure = () => setWidth(Math.max(240, box.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

function Drawing({ plot, height }: { plot: ReportPlot; height: number }) {
  const [ref, width] = useWidth();
  const [at, setAt] = useState<number | null>(null);
  const values = plot.series.flatMap((s) => s.values).filter((v) => v !== null);
  const marks = ticks(Math.min(...values), Math.max(...values));
  const low = marks[0] ?? 0;
  const high = marks.at(-1) ?? 1;
  const y = linear(low, high, height - BOTTOM, TOP);
  const slot = (width - LEFT - RIGHT) / Math.max(1, plot.x.length);
  const x = (i: number) => LEFT + slot * (i + 0.5);
  const labels = shownLabels(plot.x.length, Math.floor((width - LEFT) / longest(plot.x)));
  const pointer = (event: React.PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const i = Math.floor((event.clientX - box.left - LEFT) / slot);
    setAt(i >= 0 && i < plot.x.length ? i : null);
  };
  return (
    <div className="plot-box" ref={ref}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`${plot.title}. ${describe(plot)}`}
        onPointerMove={pointer}
        onPointerLeave={() => setAt(null)}
      >
        {marks.map((mark) => (
          <g key={mark}>
            <line className={mark === 0 ? "axis" : "grid"} x1={LEFT} x2={width - RIGHT} y1={y(mark)} y2={y(mark)} />
            <text className="tick" x={LEFT - 8} y={y(mark) + 4} textAnchor="end">
              {axisLabel(mark, plot.unit)}
            </text>
          </g>
        ))}
        {plot.x.map((label, i) =>
          labels.has(i) ? (
            <text key={`${label}-${i}`} className="tick" x={x(i)} y={height - 7} textAnchor="middle">
              {shorten(label)}
            </text>
          ) : null,
        )}
        {at !== null && <rect className="hover" x={x(at) - slot / 2} y={TOP} width={slot} height={height - TOP - BOTTOM} />}
        {plot.kind === "bar" ? (
          <Bars plot={plot} x={x} y={y} slot={slot} zero={y(Math.max(0, low))} />
        ) : (
          <Lines plot={plot} x={x} y={y} zero={y(Math.max(0, low))} at={at} />
        )}
      </svg>
      {at !== null && <Tip plot={plot} at={at} left={x(at)} width={width} />}
    </div>
  );
}

interface Marks {
  plot: ReportPlot;
  x: (i: number) => number;
  y: (value: number) => number;
  zero: number;
}

function Bars({ plot, x, y, slot, zero }: Marks & { slot: number }) {
  const group = Math.min(64, slot * 0.66);
  const bar = group / plot.series.length;
  return plot.series.map((series, s) => (
    <g key={series.label} fill={colourOf(series.label, s)}>
      {series.values.map((value, i) =>
        value === null ? null : (
          <rect
            key={i}
            x={x(i) - group / 2 + s * bar}
            y={Math.min(y(value), zero)}
            width={Math.max(1, bar - (plot.series.length > 1 ? 1.5 : 0))}
            height={Math.max(1, Math.abs(zero - y(value)))}
            rx={Math.min(3, bar / 4)}
          />
        ),
      )}
    </g>
  ));
}

function Lines({ plot, x, y, zero, at }: Marks & { at: number | null }) {
  return plot.series.map((series, s) => {
    const colour = colourOf(series.label, s);
    const points = series.values.flatMap((v, i) => (v === null ? [] : [[x(i), y(v)] as const]));
    const line = points.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L");
    const first = points[0];
    const last = points.at(-1);
    const value = at === null ? null : series.values[at];
    if (!first || !last) return null;
    return (
      <g key={series.label}>
        {plot.series.length === 1 && points.length > 1 && (
          <path d={`M${first[0]} ${zero}L${line}L${last[0]} ${zero}Z`} fill={colour} opacity="0.13" />
        )}
        {points.length > 1 ? (
          <path d={`M${line}`} fill="none" stroke={colour} strokeWidth="2.2" strokeLinejoin="round" />
        ) : (
          <circle cx={first[0]} cy={first[1]} r="4" fill={colour} />
        )}
        {at !== null && value !== null && value !== undefined && (
          <circle cx={x(at)} cy={y(value)} r="4" fill={colour} stroke="var(--surface)" strokeWidth="2" />
        )}
      </g>
    );
  });
}

function Tip({ plot, at, left, width }: { plot: ReportPlot; at: number; left: number; width: number }) {
  const side = left > width / 2 ? { right: width - left + 10 } : { left: left + 10 };
  return (
    <div className="tip" style={side} aria-hidden="true">
      <strong>{plot.x[at]}</strong>
      {plot.series.map((series) => {
        const value = series.values[at];
        return (
          <span key={series.label}>
            {plot.series.length > 1 && `${series.label}: `}
            {value === null || value === undefined ? "none" : inUnit(value, plot.unit)}
          </span>
        );
      })}
    </div>
  );
}

function describe(plot: ReportPlot): string {
  const parts = plot.series.map((series) => {
    const known = series.values.filter((v) => v !== null);
    if (!known.length) return `${series.label}: no values`;
    const low = inUnit(Math.min(...known), plot.unit);
    const high = inUnit(Math.max(...known), plot.unit);
    return `${series.label}: ${known.length} values from ${low} to ${high}`;
  });
  return parts.join("; ");
}

function shorten(label: string): string {
  return label.length > 16 ? `${label.slice(0, 15)}…` : label;
}

function longest(labels: readonly string[]): number {
  return Math.max(34, ...labels.map((label) => shorten(label).length * 7.2 + 12));
}
