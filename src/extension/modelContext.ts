import { commands, Disposable, window, workspace } from "vscode";
import { looksLikeModel } from "./modelFile";

/** For `when` clauses: the active editor shows a file or a cell that may define a model. */
const KEY = "loraLens.modelIsActive";

/** A file is searched again for a model's text when it has been quiet for so long. */
const QUIET_MS = 500;

/** Keeps the menus of LoRA Lens out of the editors that are about something else. */
export function watchModelContext(): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let reported: boolean | undefined;
  const tell = () => {
    const document = window.activeTextEditor?.document;
    // Any cell may belong to a notebook whose other cells define the model.
    const isModel =
      document !== undefined &&
      ((document.uri.scheme === "vscode-notebook-cell" && document.languageId === "python") ||
        looksLikeModel(document));
    if (isModel !== reported) void commands.executeCommand("setContext", KEY, isModel);
    reported = isModel;
  };
  tell();
  return Disposable.from(
    window.onDidChangeActiveTextEditor(tell),
    workspace.onDidChangeTextDocument(({ document }) => {
      if (document !== window.activeTextEditor?.document) return;
      clearTimeout(timer);
      timer = setTimeout(tell, QUIET_MS);
    }),
    new Disposable(() => clearTimeout(timer)),
  );
}
