import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";

/** A folder of packages has a few `.pth` files of a few lines each; what is larger is not one of them. */
const MAX_PTH_FILES = 200;
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * Folders an interpreter imports installed packages from, in its order, found without running it. `interpreter` is the
 * executable or the folder of its environment. Editable installs count where their `.pth` file names a folder; those
 * that work by running code do not. None when there is no such interpreter.
 */
export function sitePackagesOf(interpreter: string): string[] {
  const given = resolve(interpreter);
  if (!exists(given)) return [];
  const isEnvironment = isFolder(given);
  const prefix = isEnvironment ? given : prefixOf(given);
  const settings = readSettings(join(prefix, "pyvenv.cfg"));
  const version = settings?.get("version") ?? settings?.get("version_info") ?? basename(given);
  const prefixes = [prefix];
  if (settings) {
    const home = settings.get("home");
    const sharesSystem = settings.get("include-system-site-packages")?.toLowerCase() === "true";
    // On Windows `home` is the prefix itself; elsewhere it is the prefix's bin.
    if (home && sharesSystem) prefixes.push(basename(home) === "bin" ? dirname(home) : home);
  } else if (!isEnvironment) prefixes.push(prefixOf(realpathSync(given)));
  const found = prefixes.flatMap((each) => packageFolders(each, version));
  return [...new Set(found.flatMap((folder) => [folder, ...addedFolders(folder)]))];
}

/** `PREFIX/bin/python`, `PREFIX\Scripts\python.exe` or `PREFIX\python.exe`. */
function prefixOf(executable: string): string {
  const folder = dirname(executable);
  return /^(bin|scripts)$/i.test(basename(folder)) ? dirname(folder) : folder;
}

/** One prefix can hold several versions (`/usr` does): the one that `version` names, else all, the newest first. */
function packageFolders(prefix: string, version: string): string[] {
  const minor = /3\.(\d+)/.exec(version)?.[1];
  const libraries = ["lib", "lib64"].flatMap((lib) => {
    const named = namesIn(join(prefix, lib)).flatMap((name) => {
      const own = /^python3(?:\.(\d+))?t?$/.exec(name);
      return own ? [{ name, minor: own[1] }] : [];
    });
    const same = named.filter((n) => n.minor === minor);
    const chosen = same.length > 0 ? same : named;
    chosen.sort((a, b) => Number(b.minor ?? 0) - Number(a.minor ?? 0));
    return chosen.map(({ name }) => join(prefix, lib, name));
  });
  // Debian installs its own packages in dist-packages.
  const folders = libraries.flatMap((lib) => [join(lib, "site-packages"), join(lib, "dist-packages")]);
  return [...folders, join(prefix, "Lib", "site-packages"), join(prefix, "lib", "python3", "dist-packages")].filter(
    isFolder,
  );
}

/** Folders that `.pth` files add. A line that begins with `import` is code for the interpreter and is left alone. */
function addedFolders(folder: string): string[] {
  const files = namesIn(folder).filter((name) => name.endsWith(".pth"));
  return files.slice(0, MAX_PTH_FILES).flatMap((file) => {
    const lines = (readText(join(folder, file)) ?? "").split(/\r?\n/).map((line) => line.trim());
    const paths = lines.filter((line) => line !== "" && !line.startsWith("#") && !/^import\s/.test(line));
    return paths.map((path) => (isAbsolute(path) ? path : join(folder, path))).filter(isFolder);
  });
}

function readSettings(file: string): Map<string, string> | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  const settings = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const equals = line.indexOf("=");
    if (equals > 0) settings.set(line.slice(0, equals).trim().toLowerCase(), line.slice(equals + 1).trim());
  }
  return settings;
}

/** The text, or undefined for what is no file, is too large to be what we look for, or may not be read. */
function readText(file: string): string | undefined {
  try {
    const { size } = statSync(file);
    return size <= MAX_TEXT_BYTES ? readFileSync(file, "utf8") : undefined;
  } catch {
    return undefined;
  }
}

/** Sorted, as Python's site module goes through them; none for a folder that cannot be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
