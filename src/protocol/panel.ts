import type { Report } from "./jobRegistry";
import type { JobProgress } from "./jobs";
import type { SizesQuestion } from "./reports/sizes";

/** What a panel shows: a finished report, a job under way, or what went wrong. */
export type PanelState =
  | { readonly type: "report"; readonly report: Report }
  | {
      readonly type: "running";
      readonly title: string;
      readonly progress: JobProgress;
      readonly losses: readonly number[];
    }
  | { readonly type: "failed"; readonly title: string; readonly message: string };

/** Extension to page. Nothing is sent before the page's "ready". */
export type ToPage = { readonly type: "state"; readonly state: PanelState };

/** Page to extension: the whole list of what a page may ask for. */
export type FromPage =
  | { readonly type: "ready" }
  | { readonly type: "stop" }
  /** Show the layer's line in the editor; `cell` is the notebook's cell that it is counted in. */
  | { readonly type: "reveal"; readonly file: string; readonly line: number; readonly cell?: number }
  /** Open a file or folder the report names as its output. */
  | { readonly type: "openOutput" }
  /** Save the report: JSON, a stand-alone HTML page, or, of layer sizes, the table as CSV. */
  | { readonly type: "save"; readonly format: SaveFormat }
  /** Compare other sizes or ranks; the answer is a report in the place of this one. */
  | { readonly type: "compareSizes"; readonly question: SizesQuestion };

export type SaveFormat = "json" | "html" | "csv";
