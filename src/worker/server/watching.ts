import { basename, dirname } from "node:path";
import type { ClientCapabilities, Connection, FileSystemWatcher } from "vscode-languageserver/node";
import type { Reading } from "../language/layers";
import type { SearchedFolder } from "../readers/model";
import { realPath } from "../readers/python/imports/look";
import { isBelow } from "../readers/python/imports/project";
import type { ReadingChoices } from "./reading/readingChoices";
import { fileWatcher, folderWatcher, WatchedFiles } from "./watchedFiles";

/** Where people keep an environment in a project, and what each has. */
const ENVIRONMENTS = "{.venv,venv}/pyvenv.cfg";

/** Files that are searched for calls and configurations that give a class its sizes. */
const SEARCHED = "*.{py,ipynb,yaml,yml}";

type Dependent = Required<Pick<Reading, "dependencies">> & { readonly searched: Reading["searched"] };

function isConcerned(own: string, { dependencies, searched }: Dependent, changed: ReadonlySet<string>): boolean {
  if (dependencies.some((file) => changed.has(file))) return true;
  return (
    searched !== undefined && [...changed].some((file) => file !== own && isSearched(file) && isIn(searched, file))
  );
}

const isIn = ({ folder, deep }: SearchedFolder, file: string): boolean =>
  deep ? isBelow(folder, file) : dirname(file) === folder;

/** Code may construct a class, and a configuration name it. */
const isSearched = (file: string): boolean => /\.(py|ipynb|ya?ml)$/i.test(file);
const isModule = (file: string): boolean => file.endsWith(".py");

export interface WatchingOptions {
  readonly connection: Connection;
  readonly choices: ReadingChoices;
  readonly fileOf: (uri: string) => string;
  /** Reads the open files that pass the test again. */
  readonly readAgain: (isConcerned: (file: string) => boolean) => void;
  readonly log: (line: string) => void;
}

/**
 * Files beside the open ones that a reading depends on: what they import of the project or are constructed by,
 * configurations, and environments in the project's folder. The editor watches them, and when one is created, changed
 * or deleted, the files that depend on it are read again.
 */
export class Watching {
  private readonly files: WatchedFiles;
  /** By document: its reading, as far as it depends on other files. */
  private readonly models = new Map<string, Dependent>();
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

  /** Call it with each reading of a document. */
  opened(uri: string, { summary, dependencies = [], searched }: Reading): void {
    const isModel = summary.models.length > 0 && uri.startsWith("file:") && /\.(pyi?|ipynb)$/i.test(uri);
    const known = this.models.get(uri);
    const dependent: Dependent = { dependencies, searched };
    if (!isModel || JSON.stringify(known) === JSON.stringify(dependent)) return;
    this.models.set(uri, dependent);
    this.update();
  }

  closed(uri: string): void {
    if (this.models.delete(uri)) this.update();
  }

  /** To be called when choices change. */
  update(): void {
    if (!this.able) return;
    const { choices, fileOf } = this.options;
    const configurations = [...this.models.keys()].flatMap((uri) => choices.configurationFile(fileOf(uri)) ?? []);
    const all = [...this.models.values()];
    const dependencies = all.flatMap((each) => each.dependencies);
    const [modules, others] = [dependencies.filter(isModule), dependencies.filter((file) => !isModule(file))];
    const watchers: FileSystemWatcher[] = [...new Set([...configurations, ...others])].sort().map(fileWatcher);
    // A project has many modules in few folders.
    for (const folder of [...new Set(modules.map(dirname))].sort()) watchers.push(folderWatcher(folder, "*.py"));
    const searched = new Map(all.flatMap((each) => (each.searched ? [[each.searched.folder, each.searched]] : [])));
    for (const { folder, deep } of searched.values())
      watchers.push(folderWatcher(folder, deep ? `**/${SEARCHED}` : SEARCHED));
    if (this.models.size > 0) {
      for (const folder of choices.folders()) watchers.push(folderWatcher(folder, ENVIRONMENTS));
    }
    this.files.watch(watchers);
  }

  private changed(paths: readonly string[]): void {
    const { choices, fileOf, readAgain } = this.options;
    const changed = new Set([...paths, ...paths.map(realPath)]);
    const dependent = new Set(
      [...this.models].flatMap(([uri, each]) => (isConcerned(fileOf(uri), each, changed) ? [fileOf(uri)] : [])),
    );
    readAgain((file) => dependent.has(file) || changed.has(choices.configurationFile(file) ?? ""));
    const environments = paths.filter((path) => basename(path) === "pyvenv.cfg");
    for (const folder of new Set(environments.map((path) => dirname(dirname(path))))) {
      if (choices.folders().includes(folder)) readAgain(choices.lookAgain(folder));
    }
  }
}
