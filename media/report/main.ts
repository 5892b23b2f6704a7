/** The page of every panel, and of a report saved as a file: shows a PanelState, nothing else. */

import type { Report } from "../../src/protocol/jobRegistry";
import type { FromPage, PanelState, ToPage } from "../../src/protocol/panel";
import { element } from "./dom";
import type { Choices, Host, Page, View } from "./host";
import { pageOf } from "./pages";
import { runningPage } from "./running";

interface Kept {
  readonly state?: PanelState;
  readonly choices: Choices;
}

interface VsCode {
  postMessage(message: FromPage): void;
  getState(): Kept | undefined;
  setState(kept: Kept): void;
}
declare const acquireVsCodeApi: (() => VsCode) | undefined;

const vscode = typeof acquireVsCodeApi === "function" ? acquireVsCodeApi() : undefined;

let kept: Kept = vscode?.getState() ?? { choices: {} };
function keep(next: Kept): void {
  kept = next;
  vscode?.setState(next);
}

const host: Host = {
  editor: vscode !== undefined,
  post: (message) => vscode?.postMessage(message),
  get choices() {
    return kept.choices;
  },
  choose: (choices) => keep({ ...kept, choices }),
};

let current: View | undefined;

function show(state: PanelState): void {
  if (current?.update(state)) return;
  current?.dispose();
  current = viewOf(state);
  document.body.replaceChildren(current.element);
}

function viewOf(state: PanelState): View {
  switch (state.type) {
    case "running":
      return runningPage(state, host);
    case "failed":
      return still({ element: failedPage(state), charts: [] });
    case "report":
      return still(pageOf(state.report, host));
  }
}

function failedPage({ title, message }: Extract<PanelState, { type: "failed" }>): HTMLElement {
  return element(
    "main",
    {},
    element("header", {}, element("h1", {}, title)),
    element("p", { class: "verdict failed", role: "alert" }, "✗ The job failed"),
    element("p", { class: "failure" }, message),
  );
}

/** A view that a later state replaces as a whole, unless the page takes it in place. */
function still({ element: page, charts, update }: Page): View {
  return {
    element: page,
    update: (state) => (state.type === "report" && update?.(state.report)) ?? false,
    dispose: () => {
      for (const chart of charts) chart.dispose();
    },
  };
}

if (vscode) {
  window.addEventListener("message", ({ data }: MessageEvent<ToPage>) => {
    if (data?.type !== "state") return;
    // A job under way does not outlive the window: its growing curve need not be stored with each message.
    if (data.state.type !== "running" || kept.state?.type !== "running") keep({ ...kept, state: data.state });
    show(data.state);
  });
  if (kept.state) show(kept.state);
  vscode.postMessage({ type: "ready" });
} else {
  document.documentElement.classList.add("standalone");
  const embedded = document.getElementById("report")?.textContent;
  if (embedded) show({ type: "report", report: JSON.parse(embedded) as Report });
  else document.body.replaceChildren(element("p", {}, "This page contains no report."));
}
