import { join, relative, sep } from "node:path";
import { isFile, isFolder, realPath } from "../imports/look";
import { isBelow } from "../imports/project";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import type { PyDict, Value } from "../values/values";
import { type Data, DataDict, DataList, Refused } from "./data";
import { configOfData, entriesOf, mergeInto, newConfig } from "./dictConfig";
import { projectFolder, readData, readText } from "./files";
import { applyDotlist, put } from "./omegaconf";

/**
 * Hydra's composition: a configuration names others by its defaults list, each of a group, which is a folder; their
 * values go where the group's name says. https://hydra.cc/docs/advanced/defaults_list
 */

const MAX_DEPTH = 12;
const MAX_FILES = 100;

export interface Primary {
  readonly folder: string;
  readonly name: string;
}

interface Default {
  /** The file's path below the folder of all configurations, without its extension; undefined for `_self_`. */
  readonly path: string | undefined;
  readonly group: string;
  /** Where its values go. */
  readonly at: string;
  readonly optional: boolean;
  /** The defaults list says where, and not the file itself. */
  readonly stated?: boolean;
}

const ROOT: Default = { path: undefined, group: "", at: "", optional: false };

/** The composed configuration, or why there is none. `overrides` are as on the command line: "model=large". */
export function compose(ev: Evaluator, primary: Primary, overrides: readonly string[] = []): Value {
  const composition = new Composition(ev, primary.folder);
  const values: string[] = [];
  for (const item of overrides) {
    const [, group, option] = /^\+{0,2}([\w/@.]+)=([\w./-]+)$/.exec(item) ?? [];
    if (group !== undefined && composition.isGroup(group)) composition.choose(group, option!);
    else values.push(item);
  }
  return composition.of(primary.name, values);
}

class Composition {
  /** Options by group that an override chooses. */
  private readonly chosen = new Map<string, string>();
  private files = 0;

  constructor(
    private readonly ev: Evaluator,
    private readonly folder: string,
  ) {}

  choose(group: string, option: string): void {
    this.chosen.set(group, option);
  }

  isGroup(group: string): boolean {
    return /^[\w/]+$/.test(group) && isFolder(join(this.folder, group));
  }

  of(name: string, values: readonly string[]): Value {
    const primary = name.replace(/\.ya?ml$/, "");
    // What is overridden may stand in any file, and counts for all of them: found first, composed after.
    for (let before = -1; before !== this.chosen.size; ) {
      before = this.chosen.size;
      this.files = 0;
      this.collect(primary, "", 0);
    }
    this.files = 0;
    const into = newConfig(this.ev, undefined);
    const missing = this.add(into, primary, ROOT, 0);
    if (missing) return new Unknown(missing.why, this.ev.place);
    into.entries.delete("shydra");
    applyDotlist(this.ev, into, values);
    return into;
  }

  private collect(path: string, group: string, depth: number): void {
    const data = depth > MAX_DEPTH ? undefined : this.read(path);
    if (!(data instanceof DataDict)) return;
    for (const item of listOf(data)) {
      const override = item instanceof DataDict ? [...item.entries.values()][0] : undefined;
      const [, target] = /^override\s+(\S+)$/.exec(String(override?.key ?? "")) ?? [];
      if (target !== undefined) {
        const of = absolute(target.replace(/@.*$/, ""), group);
        if (typeof override!.value === "string" && !this.chosen.has(of)) this.chosen.set(of, override!.value);
      }
    }
    for (const each of this.defaults(data, path, group, ""))
      if (each.path !== undefined) this.collect(each.path, each.group, depth + 1);
  }

  /** Adds the file's values and those of its defaults; says why it cannot be read. */
  private add(
    into: PyDict,
    path: string,
    { group, at, optional, stated }: Default,
    depth: number,
  ): Refused | undefined {
    if (depth > MAX_DEPTH)
      return new Refused(`the defaults lists below ${path} are nested too deeply or refer to each other`);
    const data = this.read(path);
    if (data instanceof Refused) {
      if (!optional && at !== "") put(this.ev, into, at, new Unknown(data.why, this.ev.place));
      return data;
    }
    if (!(data instanceof DataDict)) return undefined;
    const home = stated ? at : this.header(path, group, at);
    const own = new Map([...data.entries].filter(([key]) => key !== "sdefaults"));
    for (const each of this.defaults(data, path, group, home)) {
      if (each.path === undefined) this.place(into, home, data.with(own));
      else this.add(into, each.path, each, depth + 1);
    }
    return undefined;
  }

  private place(into: PyDict, at: string, data: DataDict): void {
    const made = configOfData(this.ev, data) as PyDict;
    if (at === "") {
      mergeInto(this.ev, into, made);
      return;
    }
    const whole = newConfig(this.ev, undefined);
    let inner = whole;
    const parts = at.split(".");
    for (const [i, part] of parts.entries()) {
      const next = i === parts.length - 1 ? made : newConfig(this.ev, entriesOf(inner));
      entriesOf(inner)!.setRaw(`s${part}`, { key: part, value: next, file: data.file });
      inner = next;
    }
    mergeInto(this.ev, into, whole);
  }

  /** `# @package _global_` at a file's top says where its values go. */
  private header(path: string, group: string, at: string): string {
    const file = this.locate(path);
    const text = file === undefined ? "" : readText(this.ev, file);
    const [, named] = typeof text === "string" ? (/^\s*#\s*@package[ \t:]+(\S+)/m.exec(text.slice(0, 2000)) ?? []) : [];
    if (named === undefined) return at;
    if (named === "_group_") return group.replaceAll("/", ".");
    return named.replace(/^_global_\.?/, "");
  }

  private defaults(data: DataDict, path: string, group: string, home: string): Default[] {
    const found: Default[] = [];
    let self = false;
    for (const item of listOf(data)) {
      if (item === "_self_") {
        self = true;
        found.push({ path: undefined, group, at: home, optional: false });
      } else if (typeof item === "string") found.push(...this.option(item, "", group, home, false, path));
      else if (item instanceof DataDict) {
        const [entry] = item.entries.values();
        const key = String(entry?.key ?? "");
        if (entry === undefined || key.startsWith("override ")) continue;
        const [, optional, name] = /^(optional\s+)?(\S+)$/.exec(key) ?? [];
        if (name === undefined) continue;
        const options = entry.value instanceof DataList ? entry.value.items : [entry.value];
        for (const option of options) {
          const chosen = this.chosen.get(absolute(name.replace(/@.*$/, ""), group)) ?? option;
          if (typeof chosen === "string") found.push(...this.option(chosen, name, group, home, !!optional, path));
        }
      }
    }
    // The file's own values come last unless the defaults list says otherwise.
    if (!self) found.push({ path: undefined, group, at: home, optional: false });
    return found;
  }

  private option(text: string, name: string, group: string, home: string, optional: boolean, from: string): Default[] {
    if (text === "???" || text === "null" || text.includes("${")) return [];
    const [, groupName = "", , packageName] = /^([^@]*)(@(.*))?$/.exec(name) ?? [];
    const [, option = "", , optionPackage] = /^([^@]*)(@(.*))?$/.exec(text.replace(/\.ya?ml$/, "")) ?? [];
    const whole = groupName === "" ? group : absolute(groupName, group);
    if (whole === "hydra" || whole.startsWith("hydra/")) return [];
    const path = option.startsWith("/") ? option.slice(1) : join(whole, option).split(sep).join("/");
    if (path === from) return [];
    const given = (name === "" ? optionPackage : packageName) || undefined;
    // A file's group is where its folder is, also where it is named with that: `model/large`.
    const inner = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    const below = groupName.startsWith("/")
      ? whole
      : option.startsWith("/")
        ? inner
        : relative(`/${group}`, `/${name === "" ? inner : whole}`);
    const at = packageAt(given, below.split(/[/]/).join("."), home);
    return [{ path, group: name === "" ? inner : whole, at, optional, stated: given !== undefined }];
  }

  private locate(path: string): string | undefined {
    for (const ending of [".yaml", ".yml"]) {
      const file = join(this.folder, `${path}${ending}`);
      const { folder: top } = projectFolder(this.ev.main.file);
      if (isBelow(top, file)) this.ev.consulted.add(file);
      if (isFile(file) && isBelow(realPath(top), realPath(file))) return realPath(file);
    }
    return undefined;
  }

  private read(path: string): Data | Refused {
    if (++this.files > MAX_FILES) return new Refused(`a configuration of more than ${MAX_FILES} files is not composed`);
    const file = this.locate(path);
    if (file === undefined) return new Refused(`there is no ${path}.yaml in ${this.folder}`);
    this.ev.consulted.add(file);
    const data = readData(this.ev, file, "omegaconf");
    return data instanceof Refused ? new Refused(`${file} is not used: ${data.why}`) : data;
  }
}

function listOf(data: DataDict): readonly Data[] {
  const list = data.get("defaults");
  return list instanceof DataList ? list.items : [];
}

/** A group's path below the folder of all configurations. */
function absolute(group: string, from: string): string {
  if (group.startsWith("/")) return group.slice(1);
  return from === "" ? group : `${from}/${group}`;
}

function packageAt(given: string | undefined, group: string, home: string): string {
  if (given === "_here_") return home;
  if (given?.startsWith("_global_")) return given.replace(/^_global_\.?/, "");
  const own = given ?? group.replaceAll("/", ".").replace(/^\.+/, "");
  return [home, own].filter((part) => part !== "").join(".");
}
