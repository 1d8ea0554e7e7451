import { useEffect, useRef, useState, type DragEvent } from "react";
import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import type { Import } from "../api/types";
import { Link } from "../app/router";
import { bytes, clock, count } from "../format";
import { addFiles, dismiss, sendAgain, stopImport, useUploads, type ImportOptions, type Upload } from "../live/uploads";
import { Field } from "../ui/Field";
import { Icon } from "../ui/Icon";
import { Empty, PageHead, ProblemNote, ProgressBar, Skeleton } from "../ui/parts";
import { formatName, reasonText } from "./importWords";

export function DataPage() {
  const [options, setOptions] = useState<ImportOptions>({ model: "", start: "" });
  const uploads = useUploads();
  return (
    <div className="page stack data-page">
      <PageHead
        title="Data"
        lead="Bring the record of your LLM calls. The format is recognized, duplicates change nothing, and each row that is left out is counted with its reason."
      />
      <DropZone options={options} />
      <Options options={options} onChange={setOptions} />
      {uploads.length > 0 && (
        <section className="stack" aria-label="Files on their way">
          {uploads.map((upload) => (
            <UploadLine key={upload.id} upload={upload} />
          ))}
        </section>
      )}
      <Imports />
    </div>
  );
}

function DropZone({ options }: { options: ImportOptions }) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const take = (files: FileList | null) => {
    if (files?.length) addFiles(files, options);
    if (input.current) input.current.value = "";
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return (
    <section
      className={over ? "drop over" : "drop"}
      aria-label="Upload"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name="upload" className="drop-icon" />
      <div className="grow">
        <h2>{over ? "Let go to bring it in" : "Drop files here"}</h2>
        <p className="soft small">
          Logs and exports of LiteLLM, Langfuse and Helicone, requests and usage reports of OpenAI and Anthropic,
          Claude Code sessions, OpenTelemetry spans, Mooncake, Azure and BurstGPT traces, and any CSV, JSONL or
          Parquet with a line for each call. Plain or packed.
        </p>
      </div>
      <button type="button" className="btn primary" onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to import"
        onChange={(event) => take(event.target.files)}
      />
    </section>
  );
}

function Options({ options, onChange }: { options: ImportOptions; onChange: (next: ImportOptions) => void }) {
  return (
    <details className="options">
      <summary>
        <Icon name="chevron" className="icon chev" />
        The file names no model, or its times count from zero
      </summary>
      <div className="options-grid">
        <Field
          label="Model of all its calls"
          placeholder="claude-sonnet-4-5"
          value={options.model}
          onChange={(event) => onChange({ ...options, model: event.target.value.trim() })}
          help="Traces such as Mooncake and Azure need this to be priced."
        />
        <Field
          label="Time of its first call"
          placeholder="2026-11-01T00:00:00Z"
          value={options.start}
          onChange={(event) => onChange({ ...options, start: event.target.value.trim() })}
          help="Without it, the last call counts as now."
        />
      </div>
    </details>
  );
}

function UploadLine({ upload }: { upload: Upload }) {
  const [label, value] = uploadProgress(upload);
  const ended = upload.state === "done" || upload.state === "failed";
  const needsModel = upload.imported?.error?.code === MODEL_NEEDED;
  return (
    <article className="card upload" aria-label={upload.name} data-state={upload.state}>
      <div className="row between">
        <strong className="upload-name">{upload.name}</strong>
        <button
          type="button"
          className="btn quiet small"
          onClick={() => (upload.state === "importing" ? void stopImport(upload.id) : dismiss(upload.id))}
          aria-label={`${ended ? "Hide" : "Stop"} ${upload.name}`}
        >
          <Icon name="cross" />
          {ended ? "Hide" : "Stop"}
        </button>
      </div>
      {!ended && (
        <>
          <ProgressBar label={`Progress of ${upload.name}`} value={value} />
          <span className="small soft num" role="status">
            {label}
          </span>
        </>
      )}
      {upload.problem && <ProblemNote problem={upload.problem} />}
      {ended && upload.imported && !needsModel && <AuditView item={upload.imported} />}
      {ended && needsModel && <ModelNeeded upload={upload} />}
      {upload.state === "done" && (
        <div className="row">
          <Link to="/chat" className="btn primary small">
            Ask about it
          </Link>
          <Link to="/" className="btn small">
            See the overview
          </Link>
        </div>
      )}
    </article>
  );
}

const MODEL_NEEDED = "OPT-107";

/** A trace holds sizes and times only: what it ran on is asked where that turns out. */
function ModelNeeded({ upload }: { upload: Upload }) {
  const [model, setModel] = useState("");
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        sendAgain(upload.id, { model: model.trim(), start: "" });
      }}
    >
      <div className="note warn" role="alert">
        <Icon name="warn" />
        <div>
          <strong>This file does not say which model answered its calls.</strong>
          <p className="small">Say it, and they can be priced: all calls of the file count as this model.</p>
        </div>
      </div>
      <div className="row ask-model">
        <Field
          label="Model of all its calls"
          placeholder="claude-sonnet-4-5"
          value={model}
          required
          onChange={(event) => setModel(event.target.value)}
        />
        <button type="submit" className="btn primary">
          Send it again
        </button>
      </div>
    </form>
  );
}

function uploadProgress(upload: Upload): [string, number | null] {
  const { imported } = upload;
  if (upload.state === "waiting") return ["Waiting for the file before it", 0];
  if (upload.state === "sending") {
    const share = upload.size ? upload.sent / upload.size : 0;
    return [`Sending: ${bytes(upload.sent)} of ${bytes(upload.size)}`, share];
  }
  if (!imported || imported.status === "queued") return ["Sent; the import begins", null];
  const share = imported.bytes_total ? Math.min(1, imported.bytes_read / imported.bytes_total) : null;
  const format = imported.format ? ` ${formatName(imported.format)}` : "";
  return [`Importing${format}: ${count(imported.rows_read)} rows`, share];
}

/** What came in, what was left out, and why. */
function AuditView({ item }: { item: Import }) {
  const audit = item.audit;
  const dropped = Object.entries(audit?.dropped ?? {}).filter(([, n]) => n > 0);
  return (
    <div className="stack audit">
      {item.status === "failed" && (
        <div className="note bad" role="alert">
          <Icon name="warn" />
          <div>
            <strong>{item.error?.message ?? "The import failed."}</strong>
            {item.error?.message.includes(" --") && (
              <p className="small">
                Options that begin with -- belong to <code>apex import</code>, which brings files here from a terminal.
              </p>
            )}
            {item.error && (
              <p className="small muted">
                Code <code>{item.error.code}</code>
              </p>
            )}
          </div>
        </div>
      )}
      {item.status === "cancelled" && <p className="soft">The import was stopped.</p>}
      {audit && (
        <p className="audit-line">
          {item.status === "completed" && (
            <span className="badge good">
              <Icon name="check" className="icon tiny" />
              Imported
            </span>
          )}
          <span>
            <strong className="num">{count(audit.rows_kept)}</strong> of{" "}
            <span className="num">{count(audit.rows_read)}</span> rows kept
            {item.format && `, read as ${formatName(item.format)}`}
          </span>
        </p>
      )}
      {dropped.length > 0 && (
        <ul className="drops" aria-label="Rows left out">
          {dropped.map(([reason, n]) => (
            <li key={reason}>
              <span className="num">{count(n)}</span> left out: {reasonText(reason)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const WORKING: ReadonlySet<string> = new Set(["queued", "running"]);

function Imports() {
  const { data, problem } = useRead("imports", api.imports);
  const above = new Set(useUploads().map((upload) => upload.importId));
  const working = data?.items.some((item) => WORKING.has(item.status) && !above.has(item.import_id));
  useEffect(() => {
    if (!working) return undefined;
    const timer = setInterval(() => cache.invalidate("imports"), 1000);
    return () => clearInterval(timer);
  }, [working]);
  const items = data?.items.filter((item) => !above.has(item.import_id)) ?? [];
  if (data && data.items.length > 0 && items.length === 0) return null;
  return (
    <section className="stack">
      <h2>Imports</h2>
      {problem && <ProblemNote problem={problem} retry={() => void cache.load("imports", api.imports)} />}
      {!data && !problem && <Skeleton />}
      {data?.items.length === 0 && (
        <div className="card">
          <Empty title="Nothing here yet">
            <p>
              No file at hand? <code>apex generate</code> writes a realistic workload with known waste to try, and{" "}
              <code>apex demo</code> starts with one in place.
            </p>
          </Empty>
        </div>
      )}
      {items.length > 0 && (
        <ul className="imports">
          {items.map((item) => (
            <li key={item.import_id} className="card">
              <div className="row between">
                <strong className="upload-name">{item.file_name}</strong>
                <span className="small muted">
                  {item.created_at && `${clock(item.created_at)} UTC, `}
                  {bytes(item.bytes_total)}
                </span>
              </div>
              {WORKING.has(item.status) ? (
                <p className="small soft">Importing: {count(item.rows_read)} rows so far</p>
              ) : (
                <AuditView item={item} />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
