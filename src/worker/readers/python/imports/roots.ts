import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { isFile, isFolder, kindOf, namesIn } from "./look";

/** Where the imports of a file are looked for. */

/** A file's place among the packages: the folder that dotted names start from, and its package's name there. */
export interface Home {
  readonly root: string;
  /** "" for a file outside of packages. */
  readonly name: string;
}

/** Folders above a file are searched no further than this for the root of its project. */
const MAX_LEVELS = 12;
/** What the root of a project holds. */
const MARKERS = [".git", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "environment.yml"];

/** The file's package: as far up as folders hold `__init__.py`, else as far as the project's root. */
export function homeOf(file: string): Home {
  const folder = dirname(resolve(file));
  let root = folder;
  for (let level = 0; level < MAX_LEVELS && existsSync(join(root, "__init__.py")); level++) root = dirname(root);
  if (root === folder) root = projectOf(folder) ?? folder;
  return { root, name: relative(root, folder).split(sep).join(".") };
}

/**
 * The place in an installed transformers of a model file that somebody has copied out of it to change it, as its name
 * says: `modeling_llama.py` is of `transformers.models.llama`. Its relative imports lead nowhere from where it lies.
 */
export function originalHome(file: string, packages: readonly string[]): Home | undefined {
  const [name, model] = /^(?:modeling|modular)_(\w+)\.py$/.exec(basename(file)) ?? [];
  if (name === undefined || model === undefined) return undefined;
  const root = packages.find((folder) => isFile(join(folder, "transformers", "models", model, name)));
  return root === undefined ? undefined : { root, name: `transformers.models.${model}` };
}

/** Folders that the file's absolute imports start from, besides installed packages: a script's own comes first. */
export function rootsOf(file: string, home: Home): string[] {
  const folder = dirname(resolve(file));
  const project = projectOf(folder);
  const roots = [folder, home.root, ...(project === undefined ? [] : [project, join(project, "src")])];
  // A package's inner folders are on nobody's path: its modules would shadow others of the same name.
  const own = home.root !== folder && existsSync(join(folder, "__init__.py")) ? roots.slice(1) : roots;
  return [...new Set(own)].filter(isFolder);
}

/** The folder that holds all of the project; undefined where nothing says that there is one. */
export function projectOf(folder: string): string | undefined {
  let at = folder;
  for (let level = 0; level < MAX_LEVELS; level++) {
    if (MARKERS.some((name) => existsSync(join(at, name)))) return at;
    const above = dirname(at);
    if (above === at) return undefined;
    at = above;
  }
  return undefined;
}

export type Located =
  | { readonly kind: "module"; readonly file: string; readonly package: boolean }
  /** A folder without `__init__.py`. */
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "compiled" }
  /** Something is there that this process may not look into. */
  | { readonly kind: "forbidden"; readonly path: string };

/** The names in folders, from one search to the next: that of installed packages has hundreds. */
export type Listings = Map<string, ReturnType<typeof namesIn>>;

/** The module of the dotted name below `root`, in Python's order: package, module, compiled module, folder. */
export function locate(root: string, name: string, listed: Listings = new Map()): Located | undefined {
  const parts = name.split(".");
  // Nothing but names: no part of it can lead out of the folder.
  if (!parts.every((part) => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(part))) return undefined;
  const path = join(root, ...parts);
  const init = join(path, "__init__.py");
  if (isFile(init)) return { kind: "module", file: init, package: true };
  const file = `${path}.py`;
  if (isFile(file)) return { kind: "module", file, package: false };
  if (isCompiled(path, listed)) return { kind: "compiled" };
  if (isFolder(path)) return { kind: "folder", folder: path };
  const forbidden = [init, file].find((each) => kindOf(each) === "forbidden");
  return forbidden === undefined ? undefined : { kind: "forbidden", path: forbidden };
}

/** `_C.so`, `_C.abi3.so`, `_C.cpython-311-x86_64-linux-gnu.so`, `_C.cp311-win_amd64.pyd`. */
function isCompiled(path: string, listed: Listings): boolean {
  const folder = dirname(path);
  const names = listed.get(folder) ?? namesIn(folder);
  listed.set(folder, names);
  const start = `${basename(path)}.`;
  return names !== "forbidden" && names.some((name) => name.startsWith(start) && /\.(so|pyd)$/.test(name));
}

/** The file's real path when that is below the root's; a link that leads elsewhere is not followed. */
export function within(root: string, file: string): string | undefined {
  const [realRoot, real] = [realpathSync(root), realpathSync(file)];
  return real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep) ? real : undefined;
}

/** The module's dotted name without the root: `models.unet`; of a package its own. */
export function packageOf(name: string, located: { readonly package: boolean }): string {
  return located.package ? name : name.split(".").slice(0, -1).join(".");
}
