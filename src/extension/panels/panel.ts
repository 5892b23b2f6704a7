import { basename, extname } from "node:path";
import {
  commands,
  type Disposable,
  EventEmitter,
  NotebookEditorRevealType,
  NotebookRange,
  Position,
  Range,
  TextEditorRevealType,
  Uri,
  ViewColumn,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { Report } from "../../protocol/jobRegistry";
import type { FromPage, PanelState, SaveFormat, ToPage } from "../../protocol/panel";
import type { SizesQuestion, SizesReport } from "../../protocol/reports/sizes";
import { showError } from "../errors";
import { pageHtml, pageRoot } from "./html";
import { fromPage } from "./messages";

export const VIEW_TYPE = "loraLens.report";

export interface PanelContext {
  readonly extensionUri: Uri;
  /** The report as a stand-alone page. */
  html(report: Report): Promise<string>;
  /** The table of a report on layer sizes. */
  csv(report: SizesReport): Promise<string>;
  /** The report on other sizes; undefined when the person did not choose a model. */
  compareSizes(question: SizesQuestion): Promise<SizesReport | undefined>;
}

/** The host of one report page: holds what it shows, so that a page that was hidden or reloaded gets it again. */
export class ReportPanel implements Disposable {
  private ready = false;
  private disposed = false;
  private question: SizesQuestion | undefined;
  private readonly disposables: Disposable[] = [];
  private readonly stopEmitter = new EventEmitter<void>();
  private readonly disposeEmitter = new EventEmitter<void>();

  readonly onStop = this.stopEmitter.event;
  readonly onDispose = this.disposeEmitter.event;

  static open(context: PanelContext, title: string, state: PanelState): ReportPanel {
    const panel = window.createWebviewPanel(VIEW_TYPE, title, { viewColumn: ViewColumn.Beside, preserveFocus: true });
    return new ReportPanel(panel, context, state);
  }

  constructor(
    private readonly panel: WebviewPanel,
    private readonly context: PanelContext,
    private state: PanelState,
  ) {
    const { webview } = panel;
    webview.options = { enableScripts: true, localResourceRoots: [pageRoot(context.extensionUri)] };
    this.disposables.push(
      webview.onDidReceiveMessage((message: unknown) => {
        const asked = fromPage(message);
        if (asked) this.answer(asked).catch(showError);
      }),
      panel.onDidDispose(() => this.dispose()),
    );
    webview.html = pageHtml(webview, context.extensionUri);
  }

  /** The page is open, and no other tab is before it. */
  get inSight(): boolean {
    return !this.disposed && this.panel.visible;
  }

  show(state: PanelState): void {
    this.state = state;
    if (this.ready) this.post();
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  dispose(): void {
    this.disposed = true;
    this.disposeEmitter.fire();
    for (const disposable of this.disposables.splice(0)) disposable.dispose();
    this.stopEmitter.dispose();
    this.disposeEmitter.dispose();
  }

  private post(): void {
    const message: ToPage = { type: "state", state: this.state };
    void this.panel.webview.postMessage(message);
  }

  private async answer(asked: FromPage): Promise<void> {
    switch (asked.type) {
      case "ready":
        this.ready = true;
        return this.post();
      case "stop":
        return this.stopEmitter.fire();
      case "reveal":
        // Only the file the report is about: a page cannot have others opened.
        if (this.report && asked.file === fileOf(this.report)) await reveal(asked);
        return;
      case "openOutput":
        if (this.report) await openOutput(this.report);
        return;
      case "save":
        if (this.report) await this.save(this.report, asked.format);
        return;
      case "compareSizes":
        if (this.report?.kind === "sizes") await this.compareSizes(asked.question);
        return;
    }
  }

  /** Answers come in the order in which they are ready: only the last question's is shown. */
  private async compareSizes(question: SizesQuestion): Promise<void> {
    this.question = question;
    const report = await this.context.compareSizes(question);
    if (report && this.question === question && !this.disposed) this.show({ type: "report", report });
  }

  private async save(report: Report, format: SaveFormat): Promise<void> {
    const text = await this.saved(report, format);
    if (text === undefined) return;
    const file = fileOf(report);
    const name = file ? `${basename(file, extname(file))}-${report.kind}.${format}` : `${report.kind}.${format}`;
    const uri = await window.showSaveDialog({
      filters: { [format.toUpperCase()]: [format] },
      ...(file ? { defaultUri: Uri.joinPath(Uri.file(file), "..", name) } : {}),
    });
    if (!uri) return;
    await workspace.fs.writeFile(uri, Buffer.from(text));
  }

  /** The report's text in the format; undefined when the report has no such form. */
  private async saved(report: Report, format: SaveFormat): Promise<string | undefined> {
    switch (format) {
      case "json":
        return `${JSON.stringify(report, null, 2)}\n`;
      case "html":
        return this.context.html(report);
      case "csv":
        return report.kind === "sizes" ? this.context.csv(report) : undefined;
    }
  }

  private get report(): Report | undefined {
    return this.state.type === "report" ? this.state.report : undefined;
  }
}

function fileOf(report: Report): string | undefined {
  if ("file" in report) return report.file;
  return "injection" in report ? report.injection.file : undefined;
}

async function reveal({ file, line, cell }: FromPage & { type: "reveal" }): Promise<void> {
  const position = new Position(line - 1, 0);
  const selection = new Range(position, position);
  const viewColumn = ViewColumn.One;
  if (cell !== undefined) {
    const notebook = await workspace.openNotebookDocument(Uri.file(file));
    const cells = new NotebookRange(cell - 1, cell);
    const shown = await window.showNotebookDocument(notebook, { viewColumn, selections: [cells] });
    shown.revealRange(cells, NotebookEditorRevealType.InCenterIfOutsideViewport);
    return;
  }
  const editor = await window.showTextDocument(Uri.file(file), { viewColumn, selection });
  editor.revealRange(editor.selection, TextEditorRevealType.InCenterIfOutsideViewport);
}

async function openOutput(report: Report): Promise<void> {
  const output = "output" in report ? report.output : undefined;
  if (output === undefined) return;
  const target = typeof output === "string" ? output : (output.files[0] ?? output.folder);
  await commands.executeCommand("revealInExplorer", Uri.file(target));
}
