/**
 * Runs in the extension host while a test outside trains a model: when the file "measure-idle" or
 * "measure-training" appears in the open folder, asks for the model's code lenses again and again, and writes how long each answer took.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as vscode from "vscode";
import { fileAppears } from "./fileAppears";

const REQUESTS = 40;

/** One request's answer: its time, and the titles of the lenses. */
export interface LensAnswer {
  readonly milliseconds: number;
  readonly titles: readonly string[];
}

export async function run(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
  const uri = vscode.Uri.file(join(folder, "digits", "model.py"));
  for (const when of ["idle", "training"]) {
    await fileAppears(folder, `measure-${when}`);
    const answers: LensAnswer[] = [];
    for (let request = 0; request < REQUESTS; request++) {
      const before = performance.now();
      const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        "vscode.executeCodeLensProvider",
        uri,
        100,
      );
      const milliseconds = performance.now() - before;
      answers.push({ milliseconds, titles: lenses.map(({ command }) => command?.title ?? "") });
    }
    // Under its name only when it is whole.
    await writeFile(join(folder, `${when}.part`), JSON.stringify(answers));
    await rename(join(folder, `${when}.part`), join(folder, `${when}.json`));
  }
  // The window closes the extension host when its tests end, and this one's training is still on.
  await new Promise(() => {});
}
