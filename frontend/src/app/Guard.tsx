import { Component, type ReactNode } from "react";
import { Icon } from "../ui/Icon";

/** Keeps a fault in one page from taking the whole app with it. */
export class Guard extends Component<{ at: string; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidUpdate(before: { at: string }): void {
    if (this.state.failed && before.at !== this.props.at) this.setState({ failed: false });
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="page">
        <div className="note bad" role="alert">
          <Icon name="warn" />
          <div className="grow">
            <strong>This page cannot be shown.</strong>
            <p className="small">Your data and runs are safe on the server. Load the page again.</p>
          </div>
          <button type="button" className="btn small" onClick={() => location.reload()}>
            Load again
          </button>
        </div>
      </div>
    );
  }
}
