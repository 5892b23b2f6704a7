import { Disposable, EventEmitter, workspace } from "vscode";
import type { WorkerSettings } from "../protocol/messages";
import type { Memory } from "./memory";
import type { PythonEnvironments } from "./python/python";
import { readSettings, SECTION } from "./settings";

/** The worker's settings, from all sources: VS Code's settings, choices for files, and Python environments. */
export class WorkerSettingsSource implements Disposable {
  private readonly changeEmitter = new EventEmitter<void>();
  private readonly listeners: Disposable;

  readonly onChange = this.changeEmitter.event;

  constructor(
    private readonly memory: Memory,
    private readonly python: PythonEnvironments,
  ) {
    const changed = () => this.changeEmitter.fire();
    this.listeners = Disposable.from(
      workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(SECTION)) changed();
      }),
      memory.onConfiguration(changed),
      memory.onAdapter(changed),
      python.onChange(changed),
    );
  }

  current(): WorkerSettings {
    const { rank, alpha, codeLens, diagnostics, inlayHints, inputShapes } = readSettings();
    const environments = this.python.folders();
    return {
      rank,
      alpha,
      codeLens,
      diagnostics,
      inlayHints,
      environments,
      configurations: this.memory.configurations(),
      inputShapes,
      adapters: this.memory.adapters(),
    };
  }

  dispose(): void {
    this.listeners.dispose();
    this.changeEmitter.dispose();
  }
}
