import { useEffect, useRef, useState, type ReactNode } from "react";
import { session } from "../api/session";
import type { Session } from "../api/types";
import { useLink } from "../live/live";
import { Icon, Mark, type IconName } from "../ui/Icon";
import { Link, usePath } from "./router";
import { applyTheme, NEXT, readTheme, type Theme } from "./theme";

const PAGES: { to: string; label: string; icon: IconName }[] = [
  { to: "/", label: "Overview", icon: "overview" },
  { to: "/usage", label: "Usage", icon: "usage" },
  { to: "/chat", label: "Chat", icon: "chat" },
  { to: "/opportunities", label: "Opportunities", icon: "spark" },
  { to: "/data", label: "Data", icon: "data" },
];

const THEME_ICONS: Record<Theme, IconName> = { auto: "auto", light: "sun", dark: "moon" };

export function Shell({ who, children }: { who: Session; children: ReactNode }) {
  const path = usePath();
  const section = `/${path.split("/")[1] ?? ""}`;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // A new page is announced by moving the focus to it, as a page load would.
    if (!first.current && !main.current?.contains(document.activeElement)) main.current?.focus();
    first.current = false;
    window.scrollTo(0, 0);
  }, [section]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <div className="topbar" role="region" aria-label="App bar">
        <Link to="/" className="brand" aria-label="Netra Apex, overview">
          <Mark />
          Apex
        </Link>
        <Tools />
      </div>
      <header className="rail">
        <Link to="/" className="brand" aria-label="Netra Apex, overview">
          <Mark />
          Netra Apex
        </Link>
        <nav className="nav" aria-label="Pages">
          {PAGES.map((page) => (
            <Link key={page.to} to={page.to} aria-current={section === page.to ? "page" : undefined}>
              <Icon name={page.icon} />
              {page.label}
            </Link>
          ))}
        </nav>
        <div className="foot">
          <div className="who">
            <strong>{who.workspace.name}</strong>
            <span>{who.user.email}</span>
          </div>
          <Tools />
        </div>
      </header>
      <main className="main" id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <LinkNotice />
    </div>
  );
}

function Tools() {
  const [theme, setTheme] = useState(readTheme);
  const turn = () => {
    applyTheme(NEXT[theme]);
    setTheme(NEXT[theme]);
  };
  const label = theme === "auto" ? "Colours: as the system" : `Colours: ${theme}`;
  const current = usePath() === "/settings" ? "page" : undefined;
  return (
    <div className="rail-tools">
      <Link to="/settings" className="icon-btn" aria-label="Settings" title="Settings" aria-current={current}>
        <Icon name="sliders" />
      </Link>
      <button type="button" className="icon-btn" aria-label={label} title={label} onClick={turn}>
        <Icon name={THEME_ICONS[theme]} />
      </button>
      <button
        type="button"
        className="icon-btn"
        aria-label="Sign out"
        title="Sign out"
        onClick={() => void session.signOut()}
      >
        <Icon name="leave" />
      </button>
    </div>
  );
}

/** Says when the live link is away for longer than a blink. */
function LinkNotice() {
  const link = useLink();
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (link !== "waiting") {
      setShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setShown(true), 900);
    return () => clearTimeout(timer);
  }, [link]);
  return (
    <div role="status">
      {shown && (
        <div className="link-state">
          <span className="dot pulse" />
          The server is away. Reconnecting; runs go on where they were.
        </div>
      )}
    </div>
  );
}
