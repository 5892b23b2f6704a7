/**
 * A real VS Code that needs no installation: the web server inside the npm package code-server. Serves `npm start` and the tests.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Edition, ensureServer, type Fetched, OLDEST, ServerError } from "./vscodeFetch";

export { NEWEST, OLDEST, ServerError } from "./vscodeFetch";

const HOST = "127.0.0.1";

export interface VscodeServer {
  readonly port: number;
  /** Ends the server and everything it started, and removes its data. */
  stop(): Promise<void>;
  /** Settles when the server has ended, by `stop` or by itself. */
  readonly ended: Promise<void>;
}

export interface ServerOptions {
  readonly log: (line: string) => void;
  /** The oldest that the extension supports when left out. */
  readonly edition?: Edition;
  /** Absolute path of a VSIX file to install. */
  readonly vsix?: string;
  /** Settings for every window of this server. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Added to the environment of the server, and so of the extension host. */
  readonly env?: Readonly<Record<string, string>>;
}

// Nothing that is not of the project's own: no tips, no hints at other extensions, no chat.
const SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "chat.commandCenter.enabled": false,
  "chat.disableAIFeatures": true,
  "extensions.ignoreRecommendations": true,
  // The examples lie in the repository of this project.
  "git.openRepositoryInParentFolders": "never",
  "editor.minimap.enabled": false,
};

/** Starts the server on this machine's loopback address, with a data folder of its own; settles once it answers. */
export async function startServer(options: ServerOptions): Promise<VscodeServer> {
  const port = await freePort();
  const edition = options.edition ?? OLDEST;
  const fetched = await ensureServer(edition, options.log);
  const data = await mkdtemp(join(tmpdir(), "lora-lens-vscode-"));
  const machine = join(data, "data", "Machine");
  await mkdir(machine, { recursive: true });
  await writeFile(join(machine, "settings.json"), JSON.stringify({ ...SETTINGS, ...options.settings }));
  if (options.vsix !== undefined) {
    await install(options.vsix, fetched, data).catch(async (error: unknown) => {
      await rm(data, { recursive: true, force: true });
      throw error;
    });
  }

  const child = spawn(
    fetched.node,
    [
      join(fetched.folder, "out", "server-main.js"),
      ...["--host", HOST, "--port", String(port), "--server-data-dir", data],
      ...["--without-connection-token", "--accept-server-license-terms"],
      ...["--disable-telemetry", "--disable-workspace-trust"],
      ...edition.arguments,
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

/** Installs an extension as a person would, into the data folder of a server. */
async function install(vsix: string, { folder, node }: Fetched, data: string): Promise<void> {
  const args = [join(folder, "out", "server-main.js"), "--install-extension", vsix, "--server-data-dir", data];
  const { stdout, stderr } = await promisify(execFile)(node, [...args, "--accept-server-license-terms"], {
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  if (!/successfully installed/.test(stdout)) {
    throw new ServerError(`VS Code did not install ${vsix}; it said:\n${stdout.trim()}\n${stderr.trim()}`);
  }
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

/** Throws a ServerError when a port cannot be listened on. */
export async function refuseTaken(port: number): Promise<void> {
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
  /** Absolute path of the extension under development; none where it is installed. */
  readonly extension?: string;
  /** Absolute path of a file to open. */
  readonly file?: string;
  /** Absolute path of a script whose exported `run()` the extension host calls. */
  readonly tests?: string;
}

/** Address of a VS Code window on the server. */
export function workbenchUrl(server: Pick<VscodeServer, "port">, workbench: Workbench): string {
  const host = `${HOST}:${server.port}`;
  return `http://${host}${workbenchPath(host, workbench)}`;
}

/** The same without the host, which is how the browser names the server. */
export function workbenchPath(host: string, workbench: Workbench): string {
  const remote = (path: string) => `vscode-remote://${host}${asUriPath(path)}`;
  const payload: [string, string][] = [];
  if (workbench.extension) payload.push(["extensionDevelopmentPath", remote(workbench.extension)]);
  if (workbench.file) payload.push(["openFile", remote(workbench.file)]);
  if (workbench.tests) payload.push(["extensionTestsPath", remote(workbench.tests)]);
  const folder = encodeURIComponent(asUriPath(workbench.folder)).replaceAll("%2F", "/");
  return `/?folder=${folder}&payload=${encodeURIComponent(JSON.stringify(payload))}`;
}

/** VS Code writes paths in URIs with forward slashes and a leading one: /c:/project. */
function asUriPath(path: string): string {
  const forward = path.replaceAll("\\", "/");
  return forward.startsWith("/") ? forward : `/${forward}`;
}
