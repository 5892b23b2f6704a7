import { type Dirent, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { Definition } from "../evaluate/scope";
import type { Environment } from "../imports/environment";
import { realPath, textOf } from "../imports/look";
import { stateOf } from "../imports/sources";
import type { Evaluator } from "../values/evaluator";
import type { HydraMain } from "../values/session";
import { type PyClass, PyDict, PyFunction, PyList, type Value } from "../values/values";
import { compose } from "./composition";
import { type DataDict, dictsIn, Refused, sameData } from "./data";
import { configOfData, entriesOf } from "./dictConfig";
import { formatOf, isConfiguration, type ProjectFolder, projectFolder, readData, shownPath } from "./files";
import { argumentsOf, located } from "./hydraModule";

/**
 * Configurations that say by `_target_` which class is to be made, and with what: hydra makes it, and no line of the
 * project's code names the class.
 */

const MAX_FILES = 1000;
const MAX_FOLDERS = 500;
const MAX_DEPTH = 8;
const MAX_BYTES = 512 * 1024;
/** The lifetime of a list; a change of watched files also renews it. */
const FRESH_MS = 10_000;
const NOT_OWN = new Set(
  "node_modules site-packages __pycache__ venv env build dist wandb checkpoints outputs multirun".split(" "),
);
/** Folders of configurations beside code that nothing says is a project. */
const OF_CONFIGURATIONS = /^(conf|config|configs|cfg|cfgs)$/i;

export interface TargetMade {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  /** The file with the `_target_` first. */
  readonly files: ReadonlySet<string>;
  readonly line: number;
  /** Other files give the class other values. */
  readonly remark: string | undefined;
}

interface Found {
  readonly dict: PyDict;
  readonly file: string;
}

interface Target {
  readonly file: string;
  readonly dict: DataDict;
}

export class ConfigTargets {
  private mains: readonly HydraMain[] | undefined;
  private readonly listing: ConfigurationListing;

  constructor(
    private readonly ev: Evaluator,
    private readonly environment: Environment,
  ) {
    this.listing = ev.session.memory.of(ConfigurationListing);
  }

  /** What a configuration of the project gives the class: of several the one that a script's defaults name. */
  construction(type: PyClass): TargetMade | undefined {
    const { ev } = this;
    const { file } = ev.main;
    const project = projectFolder(file);
    const naming = this.listing.configurationsOf(project).filter(({ targets }) => targets.has(type.name));
    if (naming.length === 0) return undefined;
    let made: TargetMade | undefined;
    const aside = () => {
      const targets = naming.flatMap((each) => this.targetsIn(each.file, type));
      if (targets.length === 0) return null;
      const found = this.composed(type) ?? this.alone(type, targets);
      if (!found) return null;
      const { value: given, files } = ev.provenance.during(() => argumentsOf(ev, found.dict));
      const own = targets.find((target) => target.file === found.file);
      made = {
        ...given,
        files: new Set([found.file, ...files]),
        line: own?.dict.line ?? 1,
        remark: this.others(type, own, targets),
      };
      return null;
    };
    ev.aside(ev.globals, STEPS, aside);
    return made;
  }

  private others(type: PyClass, own: Target | undefined, targets: readonly Target[]): string | undefined {
    const { ev } = this;
    const others = targets.filter(({ file, dict }) => own && file !== own.file && !sameData(dict, own.dict));
    if (!own || others.length === 0) return undefined;
    const shown = (path: string) => shownPath(path, ev.main.file);
    const names = [...new Set(others.map((each) => shown(each.file)))];
    const list =
      names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(" and ");
    return `the sizes of ${type.name} come from ${shown(own.file)}; ${list} ${names.length === 1 ? "gives" : "give"} different ones`;
  }

  private targetsIn(file: string, type: PyClass): Target[] {
    this.ev.consulted.add(file);
    const data = readData(this.ev, file, formatOf(file, "omegaconf"));
    if (data instanceof Refused) {
      this.refused.set(file, data.why);
      return [];
    }
    const found: Target[] = [];
    for (const { dict } of dictsIn(data)) if (this.names(dict.get("_target_"), type)) found.push({ file, dict });
    return found;
  }

  /** Configurations that name a class and cannot be read, and why. */
  readonly refused = new Map<string, string>();

  /** Whether a `_target_` is the class: by its import, or where that leads nowhere by the name of its file. */
  private names(target: unknown, type: PyClass): boolean {
    if (typeof target !== "string" || target.split(".").at(-1) !== type.name) return false;
    const value = located(this.ev, target);
    if (value !== undefined) return value === type;
    const file = type.place?.file.replace(/\.py$/, "").split(sep).join("/") ?? "";
    const module = target.split(".").slice(0, -1).join("/");
    return module !== "" && (file.endsWith(`/${module}`) || file.endsWith(`/${module.split("/").slice(1).join("/")}`));
  }

  private composed(type: PyClass): Found | undefined {
    for (const main of this.hydraMains()) {
      const found = this.within(compose(this.ev, main), type);
      if (found) return found;
    }
    return undefined;
  }

  /** As `group=option` on a script's command line chooses it; without a script as it stands. */
  private alone(type: PyClass, targets: readonly Target[]): Found | undefined {
    const ranked = [...targets].sort(
      (a, b) => Number(isTest(a.file)) - Number(isTest(b.file)) || (a.file < b.file ? -1 : 1),
    );
    for (const { file } of ranked) {
      for (const main of this.hydraMains()) {
        const path = relative(realPath(main.folder), file)
          .split(sep)
          .join("/")
          .replace(/\.ya?ml$/, "");
        if (path.startsWith("..") || !path.includes("/")) continue;
        const at = path.lastIndexOf("/");
        const found = this.within(compose(this.ev, main, [`${path.slice(0, at)}=${path.slice(at + 1)}`]), type);
        if (found?.file === file) return found;
      }
      const data = readData(this.ev, file, formatOf(file, "omegaconf"));
      const found = data instanceof Refused ? undefined : this.within(configOfData(this.ev, data), type);
      if (found) return found;
    }
    return undefined;
  }

  private within(value: Value, type: PyClass, seen = new Set<Value>()): Found | undefined {
    if (seen.has(value)) return undefined;
    seen.add(value);
    this.ev.step();
    const entries = entriesOf(value);
    if (entries && value instanceof PyDict) {
      const target = entries.rawAt("s_target_");
      if (target?.file !== undefined && this.names(target.value, type)) return { dict: value, file: target.file };
      for (const [, entry] of entries.raw()) {
        const found = this.within(entry.value, type, seen);
        if (found) return found;
      }
    }
    for (const item of value instanceof PyList ? value.items : []) {
      const found = this.within(item, type, seen);
      if (found) return found;
    }
    return undefined;
  }

  /** Functions of the project that hydra starts, those of the file that is read first. */
  private hydraMains(): readonly HydraMain[] {
    this.mains ??= [...this.ownMains(), ...this.scripts().flatMap((file) => this.mainsOf(file))];
    return this.mains;
  }

  private *ownMains(): Generator<HydraMain> {
    for (const value of this.ev.globals.names.values()) {
      const main = value instanceof PyFunction ? this.mainOf(value) : undefined;
      if (main) yield main;
    }
  }

  private mainOf({ definition }: PyFunction): HydraMain | undefined {
    const { node } = definition as Definition;
    return node.kind === "Function" ? this.ev.session.hydra.mains.get(node) : undefined;
  }

  private scripts(): string[] {
    const { file } = this.ev.main;
    return this.listing
      .filesOf(projectFolder(file))
      .filter((other) => other.endsWith(".py") && other !== realPath(file) && this.listing.startsHydra(other));
  }

  private mainsOf(file: string): HydraMain[] {
    const module = this.environment.module(this.ev, file);
    if (!module) return [];
    return module.body.flatMap((statement) => {
      if (statement.kind !== "Function" || statement.decorators.length === 0) return [];
      const value = module.scope.lookup(statement.name);
      return (value instanceof PyFunction && this.mainOf(value)) || [];
    });
  }
}

const STEPS = 500_000;

const isTest = (file: string): boolean => file.split(sep).some((part) => /^(tests?|testing)$/i.test(part));

interface Listed {
  readonly state: string | undefined;
  readonly targets: ReadonlySet<string>;
  readonly hydra: boolean;
}

/** The files of a project, and the contents of each, kept until the file changes. */
export class ConfigurationListing {
  private readonly listed = new Map<string, Listed>();
  private last: { readonly folder: string; readonly files: readonly string[]; readonly at: number } | undefined;

  /** The next search looks at all folders again. */
  forget(): void {
    this.last = undefined;
  }

  private listedAt(file: string): Listed {
    const state = stateOf(file);
    const before = this.listed.get(file);
    if (before && before.state === state) return before;
    const text = textOf(file, MAX_BYTES);
    const targets = new Set<string>();
    let hydra = false;
    if (text !== undefined && text !== "forbidden") {
      if (file.endsWith(".py")) hydra = /\bhydra\b/.test(text) && /\bmain\b/.test(text);
      else
        for (const [, path] of text.matchAll(/_target_["']?\s*:\s*["']?([\w.]+)/g))
          targets.add(path!.split(".").at(-1)!);
    }
    if (this.listed.size > 4 * MAX_FILES) this.listed.clear();
    const now = { state, targets, hydra };
    this.listed.set(file, now);
    return now;
  }

  startsHydra(file: string): boolean {
    return this.listedAt(file).hydra;
  }

  configurationsOf(project: ProjectFolder): { readonly file: string; readonly targets: ReadonlySet<string> }[] {
    const files = this.filesOf(project).filter(
      (file) => isConfiguration(file) && !/(^|[\\/])\./.test(relative(project.folder, file)),
    );
    return files.map((file) => ({ file, targets: this.listedAt(file).targets }));
  }

  /** The project's Python and configuration files; without a project those that lie where configurations do. */
  filesOf({ folder, certain }: ProjectFolder): readonly string[] {
    const { last } = this;
    if (last?.folder === folder && performance.now() - last.at < FRESH_MS) return last.files;
    const files: string[] = [];
    const queue = [{ path: realPath(folder), depth: 0, deep: certain }];
    let folders = 0;
    for (const { path, depth, deep } of queue) {
      if (folders++ >= MAX_FOLDERS || files.length >= MAX_FILES) break;
      // Links are not followed: they may lead anywhere, and in a circle.
      for (const entry of entriesIn(path)) {
        const { name } = entry;
        if (entry.isFile() && (name.endsWith(".py") || isConfiguration(name))) files.push(join(path, name));
        if (!entry.isDirectory() || name.startsWith(".") || NOT_OWN.has(name) || depth >= MAX_DEPTH) continue;
        if (deep || OF_CONFIGURATIONS.test(name)) queue.push({ path: join(path, name), depth: depth + 1, deep: true });
      }
    }
    this.last = { folder, files, at: performance.now() };
    return files;
  }
}

function entriesIn(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    // Folders that cannot be listed are treated as empty.
    if (error instanceof Error && "syscall" in error) return [];
    throw error;
  }
}
