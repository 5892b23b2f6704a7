import { strict as assert } from "node:assert";
import { join } from "node:path";
import * as vscode from "vscode";

describe("inside: code lenses", () => {
  for (const file of ["digits/model.py", "transformer/model.py"]) {
    it(`appear in ${file}`, async () => {
      const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
      const document = await vscode.workspace.openTextDocument(join(folder, file));
      await vscode.window.showTextDocument(document);
      const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        "vscode.executeCodeLensProvider",
        document.uri,
        100,
      );
      const titles = lenses.map((lens) => lens.command?.title ?? "");
      assert.ok(
        titles.some((title) => title.startsWith("LoRA r=8")),
        titles.join("\n"),
      );
    });
  }
});
