import { type Dirent, readdirSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import type { ReaderMemory } from "../../memory";
import type { SearchedFolder } from "../../model";
import { textOf } from "./look";
import { homeOf, projectOf } from "./roots";
import { ModuleSources, stateOf } from "./sources";

/**
 * The Python files of a project, notebooks among them, and the names that they call: where to look for what constructs a class whose own file
 * does not. A module of layers is one file, and the script that says their sizes another.
 */

const MAX_FILES = 2000;
const MAX_FOLDERS = 1000;
const MAX_DEPTH = 8;
/** Files of a folder and those above it where nothing says that there is a project. */
const MAX_AROUND = 200;
/** Of one file and of all together, in bytes: more is data, or copies of libraries. */
const MAX_FILE = 512 * 1024;
const MAX_TOTAL = 24 * 1024 * 1024;
const MAX_NOTEBOOKS = 12 * 1024 * 1024;
/** That a class may have. More come of a name that stands for many things. */
const MAX_NAMES = 16;
/** The lifetime of a list; no files are added within a burst of keystrokes. */
const FRESH_MS = 3000;

/** Folders of what is installed, generated or fetched. */
const NOT_OWN = new Set("node_modules site-packages __pycache__ venv env build dist wandb checkpoints".split(" "));

/** What the text of a file says of others. */
interface Mentions {
  readonly calls: readonly string[];
  /** Words of its import statements. */
  readonly imports: ReadonlySet<string>;
  /** `Net as N`, `Model = Net`: what is called by another name, and that. */
  readonly aliases: readonly (readonly [name: string, alias: string])[];
}

interface Listed extends Mentions {
  readonly state: string | undefined;
  /** It is one of the project, not just near. */
  readonly counts: boolean;
}

interface Project {
  readonly folder: string;
  readonly listedAt: number;
  /** By a name that is called: the files that do. */
  readonly callers: ReadonlyMap<string, readonly string[]>;
  /** By a name: those that files have for it. */
  readonly aliases: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Where a class may be constructed. */
export interface Callers {
  readonly files: readonly string[];
  /** Its own name and those that files of the project may have for it. */
  readonly names: ReadonlySet<string>;
}

/** The folder whose files are searched for the file's sake; not the folders below it where it is no project's. */
export function searchedFolder(file: string): SearchedFolder {
  const root = projectOf(dirname(file));
  return { folder: root ?? dirname(file), deep: root !== undefined };
}

/** Whether the path is the folder or in it. */
export function isBelow(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

const isNotebook = (file: string): boolean => file.endsWith(".ipynb");

function isTest(path: string): boolean {
  return path.split(sep).some((part) => /^(tests?|testing|conftest\.py)$|^test_|_test\.py$/i.test(part));
}

/** Project files. The last search is kept: people type in one folder at a time. */
export class ProjectFiles {
  private readonly sources: ModuleSources;
  private last: Project | undefined;
  /** Calls in each file, kept until the file changes. */
  private known: ReadonlyMap<string, Listed> = new Map();

  constructor(memory: ReaderMemory) {
    this.sources = memory.of(ModuleSources);
  }

  /**
   * Files of the file's project, other than itself, that call the class by one of its names and import from the file or
   * its package, or that import the class. Likely ones come first: no tests, what calls it, scripts, and near.
   */
  callers(file: string, name: string): Callers {
    const folder = dirname(file);
    if (this.last?.folder !== folder || performance.now() - this.last.listedAt > FRESH_MS)
      this.last = this.look(folder);
    const { callers, aliases } = this.last;
    const names = new Set([name]);
    for (const each of names) for (const alias of aliases.get(each) ?? []) if (names.size < MAX_NAMES) names.add(alias);
    const calling = new Set([...names].flatMap((each) => callers.get(each) ?? []));
    // Of `unet/parts.py`: `import unet.parts`, `from . import parts`, `from unet import *`, `from elsewhere import Up`.
    const around = [basename(file, ".py"), basename(folder), ...names];
    const ranked = [...this.known]
      .filter(([other, { imports, counts }]) => {
        if (other === file || !counts) return false;
        // What derives from the class, or has it in a table, calls it by no name.
        return calling.has(other) ? around.some((word) => imports.has(word)) : imports.has(name);
      })
      .map(([other]) => {
        const path = relative(folder, other);
        const likely = [isTest(path), !calling.has(other), isNotebook(path)].map(Number);
        return { other, claim: [...likely, path.split(sep).length] };
      });
    const compare = (a: readonly number[], b: readonly number[]) =>
      a.reduce((found, each, i) => found || each - b[i]!, 0);
    ranked.sort((a, b) => compare(a.claim, b.claim) || (a.other < b.other ? -1 : 1));
    return { files: ranked.map(({ other }) => other), names };
  }

  /** The next search looks at every file again. */
  forget(): void {
    this.last = undefined;
  }

  private look(folder: string): Project {
    const callers = new Map<string, string[]>();
    const aliases = new Map<string, Set<string>>();
    const now = new Map<string, Listed>();
    const left = { scripts: MAX_TOTAL, notebooks: MAX_NOTEBOOKS };
    for (const { file, below } of pythonFiles(folder)) {
      const state = stateOf(file);
      const before = this.known.get(file);
      const kind = isNotebook(file) ? "notebooks" : "scripts";
      left[kind] -= Number(state?.split(" ")[1] ?? 0);
      if (left[kind] < 0) continue;
      const mentions = before && before.state === state ? before : this.mentionsIn(file);
      const listed = { ...mentions, state, counts: below === undefined || mentions.imports.has(below) };
      now.set(file, listed);
      if (!listed.counts) continue;
      for (const name of listed.calls) {
        const files = callers.get(name);
        if (files) files.push(file);
        else callers.set(name, [file]);
      }
      for (const [name, alias] of listed.aliases) {
        const known = aliases.get(name);
        if (known) known.add(alias);
        else aliases.set(name, new Set([alias]));
      }
    }
    this.known = now;
    return { folder, listedAt: performance.now(), callers, aliases };
  }

  private mentionsIn(file: string): Mentions {
    const text = isNotebook(file) ? this.sources.of(file)?.source.text : textOf(file, MAX_FILE);
    if (text === undefined || text === "forbidden") return { calls: [], imports: new Set(), aliases: [] };
    const calls = calledNames(text);
    for (const [, name] of text.matchAll(/\bpartial\(\s*(?:[\w.]*\.)?(\w+)\s*,/g)) calls.add(name!);
    const imports = new Set<string>();
    for (const [line] of text.matchAll(/^[ \t]*(?:from|import)[ \t][^\n(]*(?:\([^)]*\))?/gm))
      for (const [word] of line.matchAll(/[\p{L}\p{N}_]+/gu)) imports.add(word);
    return { calls: [...calls], imports, aliases: [...renamed(text), ...assigned(text)] };
  }
}

/** `Net as N` of imports, and what else there is of its form. */
function* renamed(text: string): Generator<readonly [string, string]> {
  for (let at = text.indexOf(" as "); at >= 0; at = text.indexOf(" as ", at + 1)) {
    let start = at;
    while (start > 0 && isNamePart(text.charCodeAt(start - 1))) start--;
    let end = at + 4;
    while (end < text.length && isNamePart(text.charCodeAt(end))) end++;
    const [name, alias] = [text.slice(start, at), text.slice(at + 4, end)];
    if (name !== "" && alias !== "" && name !== alias) yield [name, alias];
  }
}

/** `Model = Net`, `Model = models.Net`. */
function* assigned(text: string): Generator<readonly [string, string]> {
  for (const [, alias, name] of text.matchAll(/^[ \t]*(\w+)[ \t]*=[ \t]*(?:\w+\.)*([A-Z]\w*)[ \t]*(?:#.*)?\r?$/gm))
    if (alias !== name) yield [name!, alias!];
}

/** `Net(` and `models.Net(`, but not `class Net(` and `def net(`. A regular expression takes five times as long. */
function calledNames(text: string): Set<string> {
  const names = new Set<string>();
  for (let open = text.indexOf("("); open >= 0; open = text.indexOf("(", open + 1)) {
    let start = open;
    while (start > 0 && isNamePart(text.charCodeAt(start - 1))) start--;
    const defined = text.startsWith("class ", start - 6) || text.startsWith("def ", start - 4);
    if (start < open && !defined) names.add(text.slice(start, open));
  }
  return names;
}

/** Of letters beyond ASCII there is no telling which are letters, but all that are not are rare in code. */
function isNamePart(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57) || c === 95 || c > 127;
}

interface Found {
  readonly file: string;
  /** It counts only where it imports from this folder. */
  readonly below?: string;
}

/** Modules and notebooks: from the folder to the project's root, what lies below each; without a project `around`. */
function* pythonFiles(folder: string): Generator<Found> {
  const root = projectOf(folder);
  if (root === undefined) {
    yield* around(folder);
    return;
  }
  const seen = new Set<string>();
  let files = 0;
  for (let top = folder; ; top = dirname(top)) {
    const queue = [{ path: top, depth: 0 }];
    for (const { path, depth } of queue) {
      if (seen.has(path)) continue;
      if (seen.size >= MAX_FOLDERS) return;
      seen.add(path);
      // Links are not followed: they may lead anywhere, and in a circle.
      for (const entry of entriesOf(path)) {
        if (isSource(entry)) {
          if (files++ >= MAX_FILES) return;
          yield { file: join(path, entry.name) };
        } else if (entry.isDirectory() && depth < MAX_DEPTH && !/^\./.test(entry.name) && !NOT_OWN.has(entry.name)) {
          queue.push({ path: join(path, entry.name), depth: depth + 1 });
        }
      }
    }
    if (top === root || dirname(top) === top) return;
  }
}

/**
 * Where nothing says that there is a project: what lies in the folder itself; and in the one above it, as well as in those
 * above a package, what imports from the folder by its name, as `main.py` does from `src/model.py`.
 */
function* around(folder: string): Generator<Found> {
  const { root } = homeOf(join(folder, "_.py"));
  const last = root === folder ? dirname(folder) : root;
  let files = 0;
  for (let top = folder, below = ""; ; below = basename(top), top = dirname(top)) {
    for (const entry of entriesOf(top)) {
      if (!isSource(entry)) continue;
      if (files++ >= MAX_AROUND) return;
      yield { file: join(top, entry.name), ...(below !== "" && { below }) };
    }
    if (top === last || dirname(top) === top) return;
  }
}

function isSource(entry: Dirent): boolean {
  return entry.isFile() && /\.(py|ipynb)$/.test(entry.name);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    // Folders that cannot be listed are treated as empty.
    if (error instanceof Error && "syscall" in error) return [];
    throw error;
  }
}
