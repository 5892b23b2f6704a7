import { type Disposable, type WebviewPanelSerializer, window } from "vscode";
import type { PanelState } from "../../protocol/panel";
import { restoredState } from "./messages";
import { type PanelContext, ReportPanel, VIEW_TYPE } from "./panel";

/** The open report pages, one for each kind of job and model; running a job again reuses its page. */
export class Panels implements Disposable {
  private readonly byKey = new Map<string, ReportPanel>();
  private readonly serializer: Disposable;

  constructor(private readonly context: PanelContext) {
    const serializer: WebviewPanelSerializer = {
      deserializeWebviewPanel: async (panel, kept: unknown) => {
        new ReportPanel(panel, context, restoredState(kept));
      },
    };
    this.serializer = window.registerWebviewPanelSerializer(VIEW_TYPE, serializer);
  }

  /** Brings a page to the front; false when there is none. */
  reveal(key: string): boolean {
    const panel = this.byKey.get(key);
    panel?.reveal();
    return panel !== undefined;
  }

  open(key: string, title: string, state: PanelState): ReportPanel {
    const known = this.byKey.get(key);
    if (known) {
      known.reveal();
      known.show(state);
      return known;
    }
    const panel = ReportPanel.open(this.context, title, state);
    this.byKey.set(key, panel);
    panel.onDispose(() => this.byKey.delete(key));
    return panel;
  }

  dispose(): void {
    this.serializer.dispose();
  }
}
