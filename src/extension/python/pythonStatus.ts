import { basename } from "node:path";
import { Disposable, languages, window, workspace } from "vscode";
import { COMMANDS } from "../../protocol/commands";
import type { EnvironmentState } from "../../protocol/environments";
import type { WorkerClient } from "../client";
import type { PythonEnvironments } from "./python";

/** The entry in Python files' language status that says which environment imports are followed into. */
export function createPythonStatus(client: WorkerClient, python: PythonEnvironments): Disposable {
  const item = languages.createLanguageStatusItem("loraLens.python", { language: "python" });
  item.name = "LoRA Lens: Python packages";
  const found = new Map<string, EnvironmentState>();

  const show = () => {
    const uri = window.activeTextEditor?.document.uri;
    const folder = uri && workspace.getWorkspaceFolder(uri);
    const state = found.get(folder?.uri.fsPath ?? "");
    const environment = state?.environment;
    item.command = python.hasExtension()
      ? { title: "Select Interpreter", command: "python.setInterpreter" }
      : { title: "Show Log", command: COMMANDS.showLog };
    if (environment) {
      const version = environment.version === undefined ? "" : ` (Python ${environment.version})`;
      item.text = `Packages: ${basename(environment.path)}${version}`;
      item.detail = `${environment.path}, from ${environment.from}`;
    } else {
      item.text = "Packages: none";
      item.detail = state?.notes[0] ?? "no Python environment was found, so only imports from this workspace are read";
    }
  };

  show();
  return Disposable.from(
    item,
    client.onEnvironment((state) => {
      found.set(state.folder, state);
      show();
    }),
    window.onDidChangeActiveTextEditor(show),
  );
}
