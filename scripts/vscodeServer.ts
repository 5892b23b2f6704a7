/**
 * A real VS Code that needs no installation: the web server inside the npm package code-server, kept in a cache folder.
 * Serves `npm start` and the tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** VS Code 1.100.3: the oldest the extension supports, and one that runs on Node 20. */
const PACKAGE = "code-server@4.100.3";
const HOST = "127.0.0.1";

/** A failure whose message says all there is to say. */
export class ServerError extends Error {}

function cacheFolder(): string {
  const base =
    process.env.XDG_CACHE_HOME ||
    (process.platform === "win32" ? process.env.LOCALAPPDATA : undefined) ||
    join(homedir(), ".cache");
  return join(base, "lora-lens");
}

/**
 * Folder of the VS Code server; fetched from the npm registry when it is not in the cache yet. The finished folder
 * appears under its name by one rename, so an interrupted fetch leaves nothing that looks whole.
 */
export async function ensureServer(log: (line: string) => void): Promise<string> {
  const cache = cacheFolder();
  const installed = join(cache, PACKAGE.replace("@", "-"));
  const inside = (folder: string) => join(folder, "node_modules", "code-server", "lib", "vscode");
  if (existsSync(join(inside(installed), "out", "server-main.js"))) return inside(installed);

  log(`fetching ${PACKAGE} (VS Code for the browser) from the npm registry into ${installed}`);
  log("once only: about 300 MB and half a minute");
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, "fetch-"));
  const removeNow = () => rmSync(fresh, { recursive: true, force: true });
  process.once("exit", removeNow);
  try {
    await writeFile(join(fresh, "package.json"), '{ "private": true }\n');
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await npm(["install", ...quiet, PACKAGE], fresh);
    await npm(["install", "--omit=dev", ...quiet], inside(fresh));
    await rename(fresh, installed).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else finished the same fetch first: theirs is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    process.off("exit", removeNow);
    await rm(fresh, { recursive: true, force: true });
  }
  return inside(installed);
}

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

export interface VscodeServer {
  readonly port: number;
  /** Ends the server and everything it started, and removes its data. */
  stop(): Promise<void>;
  /** Settles when the server has ended, by `stop` or by itself. */
  readonly ended: Promise<void>;
}

export interface ServerOptions {
  readonly log: (line: string) => void;
  /** A free one when left out. */
  readonly port?: number;
  /** Settings for every window of this server. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Added to the environment of the server, and so of the extension host. */
  readonly env?: Readonly<Record<string, string>>;
}

const SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "chat.commandCenter.enabled": false,
  "extensions.ignoreRecommendations": true,
  "editor.minimap.enabled": false,
};

/** Starts the server on this machine's loopback address, with a data folder of its own; settles once it answers. */
export async function startServer(options: ServerOptions): Promise<VscodeServer> {
  const port = options.port ?? (await freePort());
  if (options.port !== undefined) await refuseTaken(options.port);
  const folder = await ensureServer(options.log);
  const data = await mkdtemp(join(tmpdir(), "lora-lens-vscode-"));
  const machine = join(data, "data", "Machine");
  await mkdir(machine, { recursive: true });
  await writeFile(join(machine, "settings.json"), JSON.stringify({ ...SETTINGS, ...options.settings }));

  const child = spawn(
    process.execPath,
    [
      join(folder, "out", "server-main.js"),
      ...["--host", HOST, "--port", String(port), "--server-data-dir", data],
      ...["--without-connection-token", "--accept-server-license-terms"],
      ...["--disable-telemetry", "--disable-workspace-trust"],
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", ...options.env },
      // A process group of its own, so that stopping it also stops the extension hosts it has forked.
      detached: process.platform !== "win32",
    },
  );
  let said = "";
  const keep = (text: Buffer) => {
    said = (said + text).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  // Also when this process ends in some other way than by stop().
  const killNow = () => {
    signal(child, "SIGKILL");
    rmSync(data, { recursive: true, force: true });
  };
  process.once("exit", killNow);
  const stop = async () => {
    process.off("exit", killNow);
    signal(child, "SIGTERM");
    const late = setTimeout(() => signal(child, "SIGKILL"), 3000);
    await ended;
    clearTimeout(late);
    // Extension hosts that outlive the server's own process.
    signal(child, "SIGKILL");
    await rm(data, { recursive: true, force: true, maxRetries: 5 });
  };

  const died = ended.then(() => {
    throw new ServerError(`the VS Code server ended before it answered; it said:\n${said.trim()}`);
  });
  try {
    await Promise.race([died, answers(port)]);
  } catch (error) {
    await stop();
    throw error;
  }
  died.catch(() => {});
  return { port, ended, stop };
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill(name);
    else process.kill(-child.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Settles when the workbench page itself is served. */
async function answers(port: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const response = await fetch(`http://${HOST}:${port}/`).catch(() => undefined);
    if (response?.ok) return;
    if (Date.now() > deadline)
      throw new ServerError(`the VS Code server did not answer on port ${port} within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function listen(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}

const freePort = () => listen(0);

async function refuseTaken(port: number): Promise<void> {
  try {
    await listen(port);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${message})`;
    throw new ServerError(`port ${port} ${why}; pick another with --port N, or leave --port out for a free one`);
  }
}

export interface Workbench {
  /** Absolute path of the folder to open. */
  readonly folder: string;
  /** Absolute path of the extension under development. */
  readonly extension: string;
  /** Absolute path of a file to open. */
  readonly file?: string;
  /** Absolute path of a script whose exported `run()` the extension host calls. */
  readonly tests?: string;
}

/** Address of a VS Code window on the server. */
export function workbenchUrl(server: Pick<VscodeServer, "port">, workbench: Workbench): string {
  const remote = (path: string) => `vscode-remote://${HOST}:${server.port}${asUriPath(path)}`;
  const payload: [string, string][] = [["extensionDevelopmentPath", remote(workbench.extension)]];
  if (workbench.file) payload.push(["openFile", remote(workbench.file)]);
  if (workbench.tests) payload.push(["extensionTestsPath", remote(workbench.tests)]);
  const folder = encodeURIComponent(asUriPath(workbench.folder)).replaceAll("%2F", "/");
  return `http://${HOST}:${server.port}/?folder=${folder}&payload=${encodeURIComponent(JSON.stringify(payload))}`;
}

/** VS Code writes paths in URIs with forward slashes and a leading one: /c:/project. */
function asUriPath(path: string): string {
  const forward = path.replaceAll("\\", "/");
  return forward.startsWith("/") ? forward : `/${forward}`;
}
