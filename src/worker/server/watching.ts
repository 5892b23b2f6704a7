import { basename, dirname } from "node:path";
import type { ClientCapabilities, Connection, FileSystemWatcher } from "vscode-languageserver/node";
import type { Reading } from "../language/layers";
import type { ReadingChoices } from "./readingChoices";
import { fileWatcher, folderWatcher, WatchedFiles } from "./watchedFiles";

/** Where people keep an environment in a project, and what each has. */
const ENVIRONMENTS = "{.venv,venv}/pyvenv.cfg";

export interface WatchingOptions {
  readonly connection: Connection;
  readonly choices: ReadingChoices;
  readonly fileOf: (uri: string) => string;
  /** Reads the open files again for which this holds. */
  readonly readAgain: (isConcerned: (file: string) => boolean) => void;
  readonly log: (line: string) => void;
}

/**
 * Files beside the open ones that a reading depends on: configurations, and environments in the project's folder. The
 * editor watches them, and when one is made, changes or goes, what depends on it is read again.
 */
export class Watching {
  private readonly files: WatchedFiles;
  private readonly models = new Set<string>();
  private able = false;

  constructor(private readonly options: WatchingOptions) {
    const { connection, log } = options;
    this.files = new WatchedFiles(connection, log);
    connection.onDidChangeWatchedFiles(({ changes }) => this.changed(changes.map(({ uri }) => options.fileOf(uri))));
  }

  start({ workspace }: ClientCapabilities): void {
    const { dynamicRegistration, relativePatternSupport } = workspace?.didChangeWatchedFiles ?? {};
    this.able = dynamicRegistration === true && relativePatternSupport === true;
  }

  /** To be called with each reading of a document. */
  opened(uri: string, { summary }: Reading): void {
    const isModel = summary.models.length > 0 && uri.startsWith("file:") && /\.(pyi?|ipynb)$/i.test(uri);
    if (!isModel || this.models.has(uri)) return;
    this.models.add(uri);
    this.update();
  }

  closed(uri: string): void {
    if (this.models.delete(uri)) this.update();
  }

  /** To be called when choices change. */
  update(): void {
    if (!this.able) return;
    const { choices, fileOf } = this.options;
    const configurations = [...this.models].flatMap((uri) => choices.configurationFile(fileOf(uri)) ?? []);
    const watchers: FileSystemWatcher[] = [...new Set(configurations)].sort().map(fileWatcher);
    if (this.models.size > 0) {
      for (const folder of choices.folders()) watchers.push(folderWatcher(folder, ENVIRONMENTS));
    }
    this.files.watch(watchers);
  }

  private changed(paths: readonly string[]): void {
    const { choices, readAgain } = this.options;
    const changed = new Set(paths);
    readAgain((file) => changed.has(choices.configurationFile(file) ?? ""));
    const environments = paths.filter((path) => basename(path) === "pyvenv.cfg");
    for (const folder of new Set(environments.map((path) => dirname(dirname(path))))) {
      if (choices.folders().includes(folder)) readAgain(choices.lookAgain(folder));
    }
  }
}
