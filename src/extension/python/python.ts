import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  Disposable,
  type Event,
  EventEmitter,
  extensions,
  type LogOutputChannel,
  type Uri,
  type WorkspaceFolder,
  workspace,
} from "vscode";
import type { EnvironmentCandidate, FolderEnvironments } from "../../protocol/environments";
import { messageOf } from "../errors";
import { interpreterPath } from "./interpreterPath";

const EXTENSION = "ms-python.python";
/** The setting of the Python extension, which also counts without it. */
const SETTING = "defaultInterpreterPath";
/** Folders that people make a project's environment in. */
const PROJECT_ENVIRONMENTS = [".venv", "venv"];
/** What an activated environment sets in a shell, and so in an editor that was started there. */
const ACTIVATED = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/** What is used of the Python extension's API. */
interface ActiveEnvironments {
  getActiveEnvironmentPath(resource?: Uri): { readonly path: string };
  readonly onDidChangeActiveEnvironmentPath: Event<unknown>;
}

/**
 * Where the Python environments of the workspace may be. Nothing is run, and nothing is looked for on disk here: the
 * worker reads what lies there.
 */
export class PythonEnvironments implements Disposable {
  private readonly changeEmitter = new EventEmitter<void>();
  private readonly listeners: Disposable[];
  private active: ActiveEnvironments | undefined;
  private asked = false;

  readonly onChange = this.changeEmitter.event;

  constructor(private readonly log: LogOutputChannel) {
    const changed = () => this.changeEmitter.fire();
    this.listeners = [
      workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(`python.${SETTING}`)) changed();
      }),
      workspace.onDidChangeWorkspaceFolders(changed),
      // The Python extension may be installed later.
      extensions.onDidChange(() => {
        if (this.asked && !this.active) void this.connect();
      }),
    ];
  }

  /**
   * Connects to the Python extension, for a Python file that was opened: it starts with such a file by itself, so
   * waiting for it here holds nobody up. Until then, and without it, the other sources count.
   */
  async askExtension(): Promise<void> {
    if (this.asked) return;
    this.asked = true;
    await this.connect();
  }

  /** In the order in which they count, the file's workspace folder's own first. */
  folders(): FolderEnvironments[] {
    const inside = (workspace.workspaceFolders ?? []).map((folder) => ({
      folder: folder.uri.fsPath,
      candidates: this.candidates(folder),
    }));
    return [...inside, { folder: "", candidates: this.candidates(undefined) }];
  }

  /** The Python extension is there: its command chooses an interpreter. */
  hasExtension(): boolean {
    return extensions.getExtension(EXTENSION) !== undefined;
  }

  dispose(): void {
    Disposable.from(...this.listeners).dispose();
    this.changeEmitter.dispose();
  }

  private async connect(): Promise<void> {
    const extension = extensions.getExtension<unknown>(EXTENSION);
    if (!extension) return;
    try {
      this.active = activeEnvironments(await extension.activate());
    } catch (error) {
      // The other sources count as they do without it.
      this.log.warn(`the Python extension did not start, so its environment is not used: ${messageOf(error)}`);
      return;
    }
    if (!this.active) return;
    this.listeners.push(this.active.onDidChangeActiveEnvironmentPath(() => this.changeEmitter.fire()));
    this.changeEmitter.fire();
  }

  private candidates(folder: WorkspaceFolder | undefined): EnvironmentCandidate[] {
    const candidates: EnvironmentCandidate[] = [];
    const add = (path: string | undefined, from: string, named: boolean) => {
      if (path !== undefined && isAbsolute(path)) candidates.push({ path, from, named });
    };
    add(this.active?.getActiveEnvironmentPath(folder?.uri).path, "the Python extension", true);
    add(settingOf(folder), `the setting python.${SETTING}`, true);
    if (folder) {
      for (const name of PROJECT_ENVIRONMENTS)
        add(join(folder.uri.fsPath, name), `${name} in the folder ${folder.name}`, false);
    }
    for (const name of ACTIVATED) add(process.env[name], `the variable ${name}`, true);
    return candidates;
  }
}

/** What the setting names, where somebody has set it: its default, a bare `python`, says nothing. */
function settingOf(folder: WorkspaceFolder | undefined): string | undefined {
  const section = workspace.getConfiguration("python", folder?.uri);
  const { globalValue, workspaceValue, workspaceFolderValue } = section.inspect(SETTING) ?? {};
  const value: unknown = workspaceFolderValue ?? workspaceValue ?? globalValue;
  if (typeof value !== "string") return undefined;
  const folders = workspace.workspaceFolders ?? [];
  return interpreterPath(value, {
    folder: folder?.uri.fsPath,
    folders: new Map(folders.map(({ name, uri }) => [name, uri.fsPath])),
    home: homedir(),
    env: process.env,
  });
}

/** The API comes from another extension, of whatever version. */
function activeEnvironments(api: unknown): ActiveEnvironments | undefined {
  const environments: unknown = (api as { readonly environments?: unknown } | null | undefined)?.environments;
  const given = environments as Partial<ActiveEnvironments> | null | undefined;
  const isApi =
    typeof given?.getActiveEnvironmentPath === "function" &&
    typeof given.onDidChangeActiveEnvironmentPath === "function";
  return isApi ? (given as ActiveEnvironments) : undefined;
}
