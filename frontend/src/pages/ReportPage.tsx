import { cache, useRead } from "../api/cache";
import { api } from "../api/client";
import { Link } from "../app/router";
import { clock, prose } from "../format";
import { ReportView } from "../report/Report";
import { ProblemNote, Skeleton } from "../ui/parts";

/** One analysis of the workspace by itself: an address to send to a colleague. */
export function ReportPage({ id }: { id: string }) {
  const key = `analysis:${id}`;
  const load = () => api.analysis(id);
  const { data, problem } = useRead(key, load);
  return (
    <div className="page stack report-page">
      <header>
        <h1>Report</h1>
        {data && (
          <p className="soft">
            {prose(data.question)} <span className="muted">Asked {clock(data.created_at)} UTC.</span>
          </p>
        )}
      </header>
      {problem && (
        <ProblemNote problem={problem} {...(problem.status === 404 ? {} : { retry: () => void cache.load(key, load) })} />
      )}
      {!data && !problem && <Skeleton lines={5} />}
      {data && <ReportView report={data.report} />}
      <p>
        <Link to="/opportunities">Every opportunity</Link>
      </p>
    </div>
  );
}
