import { basename, dirname, extname, isAbsolute, relative, resolve, sep } from "node:path";
import type { ConfigurationFile } from "../../../../protocol/model";
import { isFile, realPath, textOf } from "../imports/look";
import { isBelow } from "../imports/project";
import { homeOf, projectOf } from "../imports/roots";
import { stateOf } from "../imports/sources";
import type { Evaluator } from "../values/evaluator";
import { type Data, type Dialect, Refused } from "./data";
import { MAX_JSON, parseJson } from "./json";
import { MAX_YAML, parseYaml } from "./yaml";

/** The configuration files of a project: where the paths that its code names lead, and what is in them. */

/** Folders of a project in which scripts and modules lie. */
const INNER = /^(src|lib|scripts?|code|models?|notebooks?|app|tools)$/i;
const MAX_LEVELS = 12;
/** What is read of a configuration; other files are data. */
const CONFIGURATION = /\.(json|ya?ml)$/i;

export interface ProjectFolder {
  readonly folder: string;
  /** Whether something marks it as a project's root; otherwise it is just a folder. */
  readonly certain: boolean;
}

/** The folder that paths are looked for up to, and that no path may lead out of. */
export function projectFolder(file: string): ProjectFolder {
  const folder = dirname(resolve(file));
  const project = projectOf(folder);
  if (project !== undefined) return { folder: project, certain: true };
  const { root } = homeOf(file);
  if (root !== folder) return { folder: root, certain: true };
  let top = folder;
  for (let level = 0; level < 3 && INNER.test(basename(top)); level++) top = dirname(top);
  return { folder: top, certain: false };
}

/** The path as the project's root has it: "configs/model/digits.yaml". */
export function shownPath(file: string, from: string): string {
  const path = relative(realPath(projectFolder(from).folder), file);
  return (path.startsWith("..") ? file : path).split(sep).join("/");
}

export interface Opened {
  readonly file: string;
}

/**
 * The file that code of `importer` means by the path. The program's working directory is not known: its own folder is
 * tried, and each above it up to the project's.
 */
export function locateFile(ev: Evaluator, path: string, importer = ev.source.file): Opened | Refused {
  // The name of another machine would be a connection to it.
  if (/^[\\/]{2}/.test(path)) return new Refused(`${path} is on another machine`);
  if (/[\0]/.test(path) || path.length > 4096) return new Refused("it is not a valid path");
  const { folder: top } = projectFolder(importer);
  const realTop = realPath(top);
  let outside = false;
  for (const candidate of candidatesFor(path, importer, top)) {
    if (!isFile(candidate)) {
      if (isBelow(top, candidate)) ev.consulted.add(candidate);
      continue;
    }
    const real = realPath(candidate);
    if (isBelow(realTop, real)) return { file: real };
    outside = true;
  }
  if (outside) return new Refused(`${path} is outside the project (${top}) and is not read`);
  if (isAbsolute(path) && !isBelow(top, resolve(path)))
    return new Refused(`${path} is outside the project (${top}) and is not read`);
  return new Refused(`there is no ${path} in the project (${top})`);
}

function candidatesFor(path: string, importer: string, top: string): string[] {
  if (isAbsolute(path)) return [resolve(path)];
  const found: string[] = [];
  let folder = dirname(resolve(importer));
  for (let level = 0; level < MAX_LEVELS; level++) {
    found.push(resolve(folder, path));
    if (folder === top || dirname(folder) === folder) break;
    folder = dirname(folder);
  }
  return [...new Set(found)];
}

export function isConfiguration(file: string): boolean {
  return CONFIGURATION.test(file);
}

interface Kept {
  readonly state: string;
  readonly text: string;
  readonly data: Map<string, Data | Refused>;
}

const MAX_KEPT = 300;

/** Text and data of each file, kept until the file changes. */
class ConfigurationFiles {
  private readonly kept = new Map<string, Kept>();

  of(file: string): Kept | Refused {
    const state = stateOf(file);
    if (state === undefined) return new Refused("it cannot be read");
    const known = this.kept.get(file);
    if (known?.state === state) return known;
    const most = extname(file).toLowerCase() === ".json" ? MAX_JSON : MAX_YAML;
    const text = textOf(file, most);
    if (text === "forbidden") return new Refused("it may not be read");
    if (text === undefined) return new Refused(`it is longer than the ${most / 1024} kB allowed for a configuration`);
    const now: Kept = { state, text, data: new Map() };
    if (this.kept.size >= MAX_KEPT) this.kept.clear();
    this.kept.set(file, now);
    return now;
  }
}

export type Format = "json" | Dialect;

/** What is in the file. To be called with what `locateFile` or a search of the project gives. */
export function readData({ session }: Evaluator, file: string, format: Format): Data | Refused {
  const found = session.memory.of(ConfigurationFiles).of(file);
  if (found instanceof Refused) return found;
  let data = found.data.get(format);
  if (data === undefined) {
    data = format === "json" ? parseJson(found.text, file) : parseYaml(found.text, file, format);
    found.data.set(format, data);
  }
  return data;
}

export function readText({ session }: Evaluator, file: string): string | Refused {
  const found = session.memory.of(ConfigurationFiles).of(file);
  return found instanceof Refused ? found : found.text;
}

/** By its name: JSON is YAML, too, but for its numbers. */
export function formatOf(file: string, dialect: Dialect): Format {
  return /\.json$/i.test(file) && dialect === "pyyaml" ? "json" : dialect;
}

/** Files that values are of, as they are shown; the line is the first one's. */
export function configurationFilesOf(
  ev: Evaluator,
  files: readonly string[],
  line = 1,
): ConfigurationFile[] | undefined {
  if (files.length === 0) return undefined;
  return [...new Set(files)].map((file, i) => ({
    file,
    path: shownPath(file, ev.main.file),
    line: i === 0 ? line : 1,
  }));
}
