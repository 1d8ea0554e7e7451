import { cell } from "../format";
import { evidenceLines, labelOf, shapeOf, unitOf } from "./patch";

/** What a figure rests on, whatever shape its lever documents it in. */
export function Evidence({ evidence }: { evidence: Record<string, unknown> }) {
  const lines = evidenceLines(evidence);
  if (!lines.length) return <p className="muted small">No evidence came with this.</p>;
  return (
    <dl className="evidence">
      {lines.map(({ name, value }) => (
        <div key={name} className={`ev-${shapeOf(value)}`}>
          <dt>{labelOf(name)}</dt>
          <dd>
            <Value name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  const unit = unitOf(name);
  switch (shapeOf(value)) {
    case "scalar":
      return <span className="num-wrap">{name === "lifetime_s" ? lifetime(String(value)) : cell(value, unit)}</span>;
    case "text":
      return <pre tabIndex={0}>{String(value)}</pre>;
    case "list":
      return <span>{(value as unknown[]).map((item) => cell(item, unit)).join(", ") || "none"}</span>;
    case "map":
      return <Pairs name={name} map={value as Record<string, unknown>} />;
    case "rows":
      return <Rows name={name} rows={value as Record<string, unknown>[]} />;
  }
}

function Pairs({ name, map }: { name: string; map: Record<string, unknown> }) {
  return (
    <ul className="pairs">
      {Object.entries(map).map(([key, value]) => (
        <li key={key}>
          <span className="muted">{name.includes("lifetime") ? lifetime(key) : labelOf(key)}</span>{" "}
          <span className="num-wrap">{cell(value, unitOf(key) ?? unitOf(name))}</span>
        </li>
      ))}
    </ul>
  );
}

/** A cache's lifetime as people say it. */
function lifetime(seconds: string): string {
  const value = Number(seconds);
  if (!Number.isFinite(value)) return labelOf(seconds);
  if (value < 60) return `${value} s`;
  return value < 3600 ? `${value / 60} min` : `${value / 3600} h`;
}

function Rows({ name, rows }: { name: string; rows: Record<string, unknown>[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={labelOf(name)}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {labelOf(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, 50).map((row, i) => (
            <tr key={i}>
              {columns.map((column) => (
                <td key={column}>{cell(row[column], unitOf(column))}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > 50 && <p className="muted small">The first 50 of {rows.length} rows.</p>}
    </div>
  );
}
