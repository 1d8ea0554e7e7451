import type { ReactNode } from "react";
import { Contours } from "../ui/Contours";
import { Mark } from "../ui/Icon";

/** The frame of the pages before one is signed in. */
export function Gate({ children }: { children: ReactNode }) {
  return (
    <div className="gate">
      <header className="gate-side">
        <Contours />
        <span className="brand">
          <Mark />
          Netra Apex
        </span>
        <p className="pitch">
          The same answers, <em>for less</em>. Computed from your own traffic.
        </p>
        <p className="fine">
          Every figure is a replay of the calls you made, at the prices of their day, with the rows it rests on.
        </p>
      </header>
      <main className="gate-form">{children}</main>
    </div>
  );
}
