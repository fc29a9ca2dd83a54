import { Component, type ReactNode } from "react";
import { Failure } from "./Failure";

type State = { error?: Error };

/** Keeps a page that fails from taking the rest of the panel with it. */
export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  state: State = {};

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  render() {
    if (!this.state.error) return this.props.children;
    return <Failure error={this.state.error} retry={() => this.setState({ error: undefined })} />;
  }
}
