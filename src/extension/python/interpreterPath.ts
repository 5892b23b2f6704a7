import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/** What the variables in a setting stand for. */
export interface PathVariables {
  /** Absolute path of the workspace folder that the setting is for, if any. */
  readonly folder: string | undefined;
  /** Workspace folders by name, for `${workspaceFolder:name}`. */
  readonly folders: ReadonlyMap<string, string>;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The absolute path that a setting such as `python.defaultInterpreterPath` names: `~`, `${workspaceFolder}`,
 * `${userHome}` and `${env:NAME}` are replaced, a relative path is of the workspace folder, and a bare name is looked up
 * on the PATH. Undefined where a variable has no value or no such command is there.
 */
export function interpreterPath(text: string, variables: PathVariables): string | undefined {
  const { folder, home, env } = variables;
  let complete = true;
  const expanded = text
    .trim()
    .replace(/^~(?=$|[\\/])/, () => home)
    .replace(/\$\{([^}]*)\}/g, (_all, name: string) => {
      const value = variable(name, variables);
      complete &&= value !== undefined && value !== "";
      return value ?? "";
    });
  if (expanded === "" || !complete) return undefined;
  if (isAbsolute(expanded)) return resolve(expanded);
  if (/[\\/]/.test(expanded)) return folder === undefined ? undefined : resolve(folder, expanded);
  return onPath(expanded, env);
}

function variable(name: string, { folder, folders, home, env }: PathVariables): string | undefined {
  if (name === "workspaceFolder" || name === "workspaceRoot") return folder;
  if (name === "userHome") return home;
  const [kind, key] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
  if (kind === "workspaceFolder") return folders.get(key);
  return kind === "env" ? env[key] : undefined;
}

function onPath(name: string, env: PathVariables["env"]): string | undefined {
  const folders = (env.PATH ?? env.Path ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const names = process.platform === "win32" && !/\.exe$/i.test(name) ? [`${name}.exe`] : [name];
  return folders.flatMap((folder) => names.map((each) => join(folder, each))).find((path) => existsSync(path));
}
