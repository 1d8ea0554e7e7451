/** The shapes the screens read, under the names they use; `generated/` holds where they come from. */
import type * as Auth from "./generated/auth";
import type * as Backend from "./generated/backend";
import type * as Live from "./generated/live";

export type User = Auth.UserView;
export type Session = Auth.SignedInView;
export type AuthConfig = Auth.ConfigView;
export type Me = Auth.MeView;
export type Workspace = Auth.WorkspaceView;
export type Member = Auth.MemberView;
export type ApiKey = Auth.ApiKeyView;
export type NewApiKey = Auth.NewApiKeyView;

export type Thread = Backend.ThreadOut;
export type Message = Backend.MessageOut;
export type Accepted = Backend.AcceptedOut;
export type Run = Backend.RunOut;
export type RunStatus = Run["status"];
export type Approval = Backend.ApprovalOut;
export type Pause = Backend.PauseOut;
export type WhileBusy = Backend.WhileBusy;
export type AnalysisHead = Backend.AnalysisOut;
export type Analysis = Backend.WholeAnalysisOut;
export type Import = Backend.ImportOut;
export type Audit = Backend.AuditOut;
export type Removal = Backend.RemovalOut;
export type Retention = Backend.RetentionOut;
export type UsageSummary = Backend.UsageTotalsOut;
export type BreakdownRow = Backend.UsageRowOut;

export type Report = Backend.Report;
export type Figure = Backend.Figure;
export type Constraint = Backend.Constraint;
export type Combined = Backend.CombinedOut;
export type ReportTable = Backend.ReportTable;
export type ReportPlot = Backend.Plot;
export type Opportunity = Backend.OpportunityOut & Partial<Pick<Backend.FoundOpportunityOut, "analysis_id" | "created_at">>;

/** An event as it is logged and sent; what its payload holds depends on its type. */
export type Event = Omit<Live.Event, "payload"> & { payload: Record<string, unknown> };

/** More of a text that an agent is writing; not logged, void with the next event of its run. */
export type TextDelta = Live.AgentDelta;

export interface Page<T> {
  items: T[];
  next: string | null;
}
