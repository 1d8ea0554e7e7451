import { lazy, Suspense, useEffect, useSyncExternalStore } from "react";
import { session } from "../api/session";
import type { Session } from "../api/types";
import { goLive } from "../live/live";
import { ChatPage } from "../pages/Chat";
import { DataPage } from "../pages/Data";
import { OpportunitiesPage } from "../pages/Opportunities";
import { OverviewPage } from "../pages/Overview";
import { ReportPage } from "../pages/ReportPage";
import { ARRIVED, SignInPage } from "../pages/SignIn";
import { isTokenPath, TokenPage } from "../pages/Token";
import { UsagePage } from "../pages/Usage";
import { Empty, Skeleton } from "../ui/parts";
import { Mark } from "../ui/Icon";
import { go, Link, usePath } from "./router";
import { forgetAtEveryTurn } from "./forget";
import { Guard } from "./Guard";
import { Shell } from "./Shell";

const SettingsPage = lazy(() => import("../pages/Settings").then((found) => ({ default: found.SettingsPage })));
forgetAtEveryTurn();

const GATES = new Set(["/sign-in", "/register", "/login", ARRIVED]);

export function App() {
  const who = useSyncExternalStore(session.subscribe, session.snapshot);
  const path = usePath();
  useEffect(() => {
    if (location.pathname === ARRIVED) session.expectCookie();
    void session.restore();
    // A page that the browser puts by may be of somebody who has left when it is shown again.
    const putBy = (event: PageTransitionEvent) => (document.body.hidden = event.persisted);
    const shownAgain = (event: PageTransitionEvent) => {
      if (event.persisted) void session.restore().then(() => (document.body.hidden = false));
    };
    window.addEventListener("pagehide", putBy);
    window.addEventListener("pageshow", shownAgain);
    return () => {
      window.removeEventListener("pagehide", putBy);
      window.removeEventListener("pageshow", shownAgain);
    };
  }, []);
  useEffect(() => {
    if (who === null && !GATES.has(path) && !isTokenPath(path)) go("/sign-in", { replace: true });
    if (who && GATES.has(path)) go("/", { replace: true });
  }, [who, path]);

  if (isTokenPath(path)) return <TokenPage path={path} />;
  if (who === undefined) return <Splash />;
  if (who === null) return <SignInPage mode={path === "/register" ? "register" : "sign-in"} />;
  return <Signed key={`${who.user.id} ${who.workspace.id}`} who={who} path={path} />;
}

function Signed({ who, path }: { who: Session; path: string }) {
  useEffect(goLive, []);
  return (
    <Shell who={who}>
      <Guard at={path}>
        <Page path={path} who={who} />
      </Guard>
    </Shell>
  );
}

function Page({ path, who }: { path: string; who: Session }) {
  const [, section, id] = path.split("/");
  useEffect(() => {
    const names: Record<string, string> = { "": "Overview", chat: "Chat", opportunities: "Opportunities", data: "Data", usage: "Usage", reports: "Report", settings: "Settings" };
    document.title = `${names[section ?? ""] ?? "Not found"} · Netra Apex`;
  }, [section]);
  switch (section) {
    case "":
      return <OverviewPage />;
    case "chat":
      return <ChatPage threadId={id ? decodeURIComponent(id) : null} />;
    case "opportunities":
      return <OpportunitiesPage />;
    case "reports":
      return <ReportPage id={decodeURIComponent(id ?? "")} />;
    case "usage":
      return <UsagePage />;
    case "data":
      return <DataPage />;
    case "settings":
      return (
        <Suspense fallback={<Skeleton />}>
          <SettingsPage who={who} />
        </Suspense>
      );
    default:
      return (
        <div className="page">
          <Empty title="There is no page here">
            <p>The address may be old or mistyped.</p>
            <Link className="btn" to="/">
              To the overview
            </Link>
          </Empty>
        </div>
      );
  }
}

function Splash() {
  return (
    <main className="splash" aria-busy="true">
      <Mark />
      <span className="visually-hidden">Netra Apex is loading</span>
    </main>
  );
}
