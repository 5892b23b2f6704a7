import type { Report } from "../../src/protocol/jobRegistry";
import type { FromPage, PanelState } from "../../src/protocol/panel";
import type { Chart } from "./charts";

/** Choices people made on the page, kept while it is hidden and across a reload of the window. */
export interface Choices {
  readonly rank?: number;
  readonly sort?: { readonly column: string; readonly descending: boolean };
  readonly filter?: string;
  readonly targetedOnly?: boolean;
  /** Of the page of layer sizes: the alpha as typed, the adapter's dtype, and the size whose parameters are drawn. */
  readonly alpha?: string;
  readonly dtype?: string;
  readonly size?: string;
  /** Pattern of the layers whose forward pass is drawn. */
  readonly flow?: string;
}

/** The environment of the page: the editor, or nothing if the page was saved as a file. */
export interface Host {
  /** False in a saved page: there is no editor to ask. */
  readonly editor: boolean;
  post(message: FromPage): void;
  readonly choices: Choices;
  choose(choices: Choices): void;
}

/** A report's page, with the charts on it. */
export interface Page {
  readonly element: HTMLElement;
  readonly charts: readonly Chart[];
  /** Shows a later report of the same kind in place. */
  readonly update?: (report: Report) => boolean;
}

/** A page's content for one kind of state. */
export interface View {
  readonly element: HTMLElement;
  /** Takes a later state of the same kind in place; false when this view cannot show it. */
  update(state: PanelState): boolean;
  dispose(): void;
}
