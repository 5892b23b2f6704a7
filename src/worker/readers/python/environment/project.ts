import { type Dirent, readdirSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import type { SearchedFolder } from "../../model";
import { textOf } from "./look";
import { projectOf } from "./roots";
import { stateOf } from "./sources";

/**
 * The Python files of a project and the names that they call: where to look for what constructs a class whose own file
 * does not. A module of layers is one file, and the script that says their sizes another.
 */

const MAX_FILES = 2000;
const MAX_FOLDERS = 1000;
const MAX_DEPTH = 8;
/** Of one file and of all together, in bytes: more is data, or copies of libraries. */
const MAX_FILE = 512 * 1024;
const MAX_TOTAL = 24 * 1024 * 1024;
/** So long a list is good for: within a burst of keystrokes nobody adds files. */
const FRESH_MS = 3000;

/** Folders of what is installed, generated or fetched. */
const NOT_OWN = new Set("node_modules site-packages __pycache__ venv env build dist wandb checkpoints".split(" "));

/** What the text of a file says of others. */
interface Mentions {
  readonly calls: readonly string[];
  /** Words of its import statements. */
  readonly imports: ReadonlySet<string>;
}

interface Listed extends Mentions {
  readonly state: string | undefined;
}

interface Project {
  readonly folder: string;
  readonly listedAt: number;
  /** By a name that is called: the files that do. */
  readonly callers: ReadonlyMap<string, readonly string[]>;
}

/** Somebody types in one folder at a time. */
let last: Project | undefined;

/**
 * Files of the file's project, other than itself, that call the name and import from the file or its package.
 * Likely ones come first: no tests, and near.
 */
export function projectCallers(file: string, name: string): readonly string[] {
  const folder = dirname(file);
  if (last?.folder !== folder || performance.now() - last.listedAt > FRESH_MS) last = look(folder);
  // Of `unet/parts.py`: `import unet.parts`, `from . import parts`, `from unet import *`, `from elsewhere import Up`.
  const around = [basename(file, ".py"), basename(folder), name];
  const ranked = (last.callers.get(name) ?? [])
    .filter((other) => other !== file && around.some((word) => known.get(other)?.imports.has(word)))
    .map((other) => {
      const path = relative(folder, other);
      return { other, test: Number(isTest(path)), distance: path.split(sep).length };
    });
  ranked.sort((a, b) => a.test - b.test || a.distance - b.distance || (a.other < b.other ? -1 : 1));
  return ranked.map(({ other }) => other);
}

/** The next search looks at every file again. */
export function forgetProject(): void {
  last = undefined;
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

function isTest(path: string): boolean {
  return path.split(sep).some((part) => /^(tests?|testing|conftest\.py)$|^test_|_test\.py$/i.test(part));
}

/** What files call, as long as each stays as it is. */
let known = new Map<string, Listed>();

function look(folder: string): Project {
  const callers = new Map<string, string[]>();
  const now: typeof known = new Map();
  let left = MAX_TOTAL;
  for (const file of pythonFiles(folder)) {
    const state = stateOf(file);
    const before = known.get(file);
    const listed = before && before.state === state ? before : { ...mentionsIn(file), state };
    left -= Number(state?.split(" ")[1] ?? 0);
    if (left < 0) break;
    now.set(file, listed);
    for (const name of listed.calls) {
      const files = callers.get(name);
      if (files) files.push(file);
      else callers.set(name, [file]);
    }
  }
  known = now;
  return { folder, listedAt: performance.now(), callers };
}

function mentionsIn(file: string): Mentions {
  const text = textOf(file, MAX_FILE);
  if (text === undefined || text === "forbidden") return { calls: [], imports: new Set() };
  const calls = calledNames(text);
  for (const [, name] of text.matchAll(/\bpartial\(\s*(?:[\w.]*\.)?(\w+)\s*,/g)) calls.add(name!);
  const imports = new Set<string>();
  for (const [line] of text.matchAll(/^[ \t]*(?:from|import)[ \t].*$/gm))
    for (const [word] of line.matchAll(/[\p{L}\p{N}_]+/gu)) imports.add(word);
  return { calls: [...calls], imports };
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

/** From the folder to the project's root, what lies below each; without a project what lies in the folder itself. */
function* pythonFiles(folder: string): Generator<string> {
  const root = projectOf(folder);
  const seen = new Set<string>();
  let files = 0;
  for (let top = folder; ; top = dirname(top)) {
    const queue = [{ path: top, depth: root === undefined ? MAX_DEPTH : 0 }];
    for (const { path, depth } of queue) {
      if (seen.has(path)) continue;
      if (seen.size >= MAX_FOLDERS) return;
      seen.add(path);
      // Links are not followed: they may lead anywhere, and in a circle.
      for (const entry of entriesOf(path)) {
        if (entry.isFile() && entry.name.endsWith(".py")) {
          if (files++ >= MAX_FILES) return;
          yield join(path, entry.name);
        } else if (entry.isDirectory() && depth < MAX_DEPTH && !/^\./.test(entry.name) && !NOT_OWN.has(entry.name)) {
          queue.push({ path: join(path, entry.name), depth: depth + 1 });
        }
      }
    }
    if (root === undefined || top === root || dirname(top) === top) return;
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    // What cannot be listed holds nothing for us.
    if (error instanceof Error && "syscall" in error) return [];
    throw error;
  }
}
