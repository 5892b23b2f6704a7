import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { kindOf, namesIn, realPath, textOf } from "./look";

/** A folder of packages has a few `.pth` files of a few lines each; what is larger is not one of them. */
const MAX_PTH_FILES = 200;
const MAX_TEXT_BYTES = 64 * 1024;
/** An environment has a handful of folders, and one more for each editable install. */
const MAX_FOLDERS = 200;
const MAX_NOTES = 20;

/** The packages that an interpreter imports, found from the files around it: it is never run. */
export interface PythonEnvironment {
  /** The environment's folder: `sys.prefix`. */
  readonly prefix: string;
  /** "3.12", where it is known. */
  readonly version: string | undefined;
  /** Folders that installed packages are imported from, in Python's order. */
  readonly folders: readonly string[];
  /** What was skipped, and why. */
  readonly notes: readonly string[];
}

/** Python's settings from the user's environment rather than its folder. */
export interface Surroundings {
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The environment of `interpreter`, an executable or the folder of an environment: virtual environments (venv,
 * virtualenv, uv), conda's, Debian's and Windows' layouts, and the user's own site-packages. Editable installs count where their
 * `.pth` file names a folder; those that work by running code do not. Undefined when nothing is there.
 */
export function pythonEnvironment(
  interpreter: string,
  around: Surroundings = { home: homedir(), platform: process.platform, env: process.env },
): PythonEnvironment | undefined {
  const given = resolve(interpreter);
  const kind = kindOf(given);
  if (kind === undefined) return undefined;
  if (kind === "forbidden") return { prefix: given, version: undefined, folders: [], notes: [forbidden(given)] };
  return new Search(given, kind === "folder", around).result();
}

/** The folders of `pythonEnvironment`; none when nothing is there. */
export function sitePackagesOf(interpreter: string): readonly string[] {
  return pythonEnvironment(interpreter)?.folders ?? [];
}

/** The ways through one interpreter's folders. */
class Search {
  private readonly notes = new Set<string>();
  private readonly prefix: string;
  private readonly settings: ReadonlyMap<string, string> | undefined;
  /** Of the version, as the environment or the interpreter's name says it. */
  private readonly stated: string | undefined;
  /** The same, or else the newest that is there. */
  private minor: string | undefined;

  constructor(
    private readonly given: string,
    private readonly isEnvironment: boolean,
    private readonly around: Surroundings,
  ) {
    this.prefix = isEnvironment ? given : prefixOf(given);
    this.settings = this.readSettings(join(this.prefix, "pyvenv.cfg"));
    this.stated = this.statedMinor();
    this.minor = this.stated;
  }

  result(): PythonEnvironment {
    const folders = this.settings ? this.ofVirtual(this.settings) : this.ofInstalled();
    // By real path: lib64 is a link to lib in many environments, and two prefixes may be one.
    const found = new Map<string, string>();
    const add = (folder: string): boolean => {
      const real = realPath(folder);
      if (found.has(real)) return false;
      if (found.size < MAX_FOLDERS) found.set(real, folder);
      else this.note(`${this.prefix} has more than ${MAX_FOLDERS} folders of packages; only the first are used`);
      return true;
    };
    for (const folder of folders) if (add(folder)) for (const added of this.addedFolders(folder)) add(added);
    return {
      prefix: this.prefix,
      version: this.minor === undefined ? undefined : `3.${this.minor}`,
      folders: [...found.values()],
      notes: [...this.notes].slice(0, MAX_NOTES),
    };
  }

  /** Its own packages; those of the user and the system only when it shares them. */
  private ofVirtual(settings: ReadonlyMap<string, string>): string[] {
    const own = this.packageFolders(this.prefix);
    if (settings.get("include-system-site-packages")?.toLowerCase() !== "true") return own;
    const home = settings.get("home");
    // On Windows `home` is the prefix itself; elsewhere it is the prefix's bin.
    const system = home === undefined ? settings.get("base-prefix") : basename(home) === "bin" ? dirname(home) : home;
    return [...own, ...this.userFolders(), ...(system === undefined ? [] : this.packageFolders(system))];
  }

  /** A Python that is installed: for the system, by conda, by pyenv. */
  private ofInstalled(): string[] {
    const own = this.packageFolders(this.prefix);
    // `/usr/local/bin/python3` may be a link to a Python that lies elsewhere.
    const linked = this.isEnvironment ? [] : this.packageFolders(prefixOf(realPath(this.given)));
    return [...this.userFolders(), ...own, ...linked];
  }

  private statedMinor(): string | undefined {
    const { settings, given } = this;
    // venv writes version, virtualenv and uv version_info.
    const stated = settings?.get("version") ?? settings?.get("version_info");
    const names = this.isEnvironment ? [] : [basename(given), basename(realPath(given))];
    return [stated ?? "", ...names].map((text) => /(?:^|\D)3\.(\d+)/.exec(text)?.[1]).find((minor) => minor);
  }

  /** One prefix can hold several versions (`/usr` does): the interpreter's own, or else all, the newest first. */
  private packageFolders(prefix: string): string[] {
    const libraries = ["lib", "lib64"].flatMap((lib) => {
      const named = this.names(join(prefix, lib)).flatMap((name) => {
        const own = /^(?:python|pypy)3\.(\d+)t?$/.exec(name);
        return own ? [{ path: join(prefix, lib, name), minor: own[1]! }] : [];
      });
      return named.sort((a, b) => Number(b.minor) - Number(a.minor));
    });
    this.minor ??= libraries[0]?.minor;
    const chosen = libraries.filter(({ minor }) => this.stated === undefined || minor === this.stated);
    const folders = chosen.flatMap(({ path }) => [join(path, "site-packages"), join(path, "dist-packages")]);
    return [
      ...this.debianFolders(prefix),
      ...folders,
      join(prefix, "Lib", "site-packages"),
      join(prefix, "lib", "python3", "dist-packages"),
    ].filter((folder) => this.isFolder(folder));
  }

  /** Debian's Python has its packages in `dist-packages`, and what pip installs for all users below `/usr/local`. */
  private debianFolders(prefix: string): string[] {
    if (this.minor === undefined || !this.isFolder(join(prefix, "lib", "python3", "dist-packages"))) return [];
    return [join(prefix, "local", "lib", `python3.${this.minor}`, "dist-packages")];
  }

  /** What `pip install --user` made, where the version is known that it is for. */
  private userFolders(): string[] {
    const { home, platform, env } = this.around;
    const { minor } = this;
    if (minor === undefined || env.PYTHONNOUSERSITE) return [];
    const base = env.PYTHONUSERBASE;
    const folders =
      platform === "win32"
        ? [join(base ?? join(env.APPDATA ?? join(home, "AppData", "Roaming"), "Python"), `Python3${minor}`)]
        : [
            join(base ?? join(home, ".local"), "lib", `python3.${minor}`),
            ...(platform === "darwin" && !base ? [join(home, "Library", "Python", `3.${minor}`, "lib", "python")] : []),
          ];
    return folders.map((folder) => join(folder, "site-packages")).filter((folder) => this.isFolder(folder));
  }

  /** Folders that `.pth` files add. A line that begins with `import` is code for the interpreter and is left alone. */
  private addedFolders(folder: string): string[] {
    const files = this.names(folder).filter((name) => name.endsWith(".pth") && !name.startsWith("."));
    if (files.length > MAX_PTH_FILES)
      this.note(`${folder} has ${files.length} .pth files; only the first ${MAX_PTH_FILES} are read`);
    return files.slice(0, MAX_PTH_FILES).flatMap((name) => {
      const file = join(folder, name);
      const text = textOf(file, MAX_TEXT_BYTES);
      if (text === undefined || text === "forbidden") {
        this.note(
          text === "forbidden"
            ? forbidden(file)
            : `${file} is not read: it is not a text file of paths, or it is too long`,
        );
        return [];
      }
      const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
      const isCode = (line: string) => /^import[ \t]/.test(line);
      if (name.startsWith("__editable__") && lines.some(isCode))
        this.note(`${file} finds an editable install by running code, so that package is not followed`);
      const paths = lines.filter((line) => !isCode(line)).map((line) => line.trim());
      return paths
        .map((path) => (isAbsolute(path) ? path : join(folder, path)))
        .filter((path) => !path.includes("\0") && this.isFolder(path));
    });
  }

  private readSettings(file: string): Map<string, string> | undefined {
    const text = textOf(file, MAX_TEXT_BYTES);
    if (text === "forbidden") this.note(forbidden(file));
    if (text === undefined || text === "forbidden") return undefined;
    const settings = new Map<string, string>();
    for (const line of text.split(/\r?\n/)) {
      const equals = line.indexOf("=");
      if (equals > 0) settings.set(line.slice(0, equals).trim().toLowerCase(), line.slice(equals + 1).trim());
    }
    return settings;
  }

  private isFolder(path: string): boolean {
    const kind = kindOf(path);
    if (kind === "forbidden") this.note(forbidden(path));
    return kind === "folder";
  }

  private names(folder: string): readonly string[] {
    const names = namesIn(folder);
    if (names !== "forbidden") return names;
    this.note(forbidden(folder));
    return [];
  }

  private note(text: string): void {
    this.notes.add(text);
  }
}

/** `PREFIX/bin/python`, `PREFIX\Scripts\python.exe` or `PREFIX\python.exe`. */
function prefixOf(executable: string): string {
  const folder = dirname(executable);
  return /^(bin|scripts)$/i.test(basename(folder)) ? dirname(folder) : folder;
}

function forbidden(path: string): string {
  return `${path} cannot be read (permission denied) and is skipped`;
}
