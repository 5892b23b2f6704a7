import { strict as assert } from "node:assert";
import { join } from "node:path";
import * as vscode from "vscode";

/** Lens titles of a file of the open folder, resolved. */
async function lensTitles(file: string): Promise<string[]> {
  const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
  const document = await vscode.workspace.openTextDocument(join(folder, file));
  await vscode.window.showTextDocument(document);
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    "vscode.executeCodeLensProvider",
    document.uri,
    1000,
  );
  return lenses.map((lens) => lens.command?.title ?? "");
}

/** The same, once the worker's provider is registered, which opening the file begins. */
async function lensTitlesOnceReady(file: string): Promise<string[]> {
  for (;;) {
    const titles = await lensTitles(file);
    if (titles.length > 0) return titles;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("LoRA Lens in the extension host", () => {
  before(async () => {
    const extension = vscode.extensions.getExtension("lora-lens.lora-lens");
    assert.ok(extension, "the extension is not there");
    await extension.activate();
  });

  it("registers every command it contributes", async () => {
    const { contributes } = vscode.extensions.getExtension("lora-lens.lora-lens")!.packageJSON;
    const registered = new Set(await vscode.commands.getCommands());
    const missing = (contributes.commands as { command: string }[]).filter(({ command }) => !registered.has(command));
    assert.deepEqual(missing, []);
  });

  for (const file of ["digits/model.py", "transformer/model.py"]) {
    it(`shows lenses in ${file}`, async () => {
      const titles = await lensTitlesOnceReady(file);
      assert.ok(
        titles.some((title) => /^LoRA r=8 .*trainable · [\d.,]+× fewer · scale 2$/.test(title)),
        titles.join("\n"),
      );
    });
  }
});
