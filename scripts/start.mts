/**
 * `npm start [-- --port N] [--open]`: a VS Code in the browser with this extension loaded and examples/ open.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build, root } from "./build.mjs";
import { openFrontDoor } from "./frontDoor";
import { refuseTaken, ServerError, startServer, workbenchPath } from "./vscodeServer";

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Tells the person what went wrong and ends with the exit code for bad input. */
function giveUp(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function readArguments(): { port: number | undefined; open: boolean } {
  try {
    const { values } = parseArgs({ options: { port: { type: "string" }, open: { type: "boolean", default: false } } });
    if (values.port === undefined) return { port: undefined, open: values.open };
    const port = Number(values.port);
    if (Number.isInteger(port) && port > 0 && port <= 65535) return { port, open: values.open };
    return giveUp(`--port ${values.port} is not a port; give a whole number from 1 to 65535`);
  } catch (error) {
    return giveUp(`${(error as Error).message}\nusage: npm start [-- --port N] [--open]`);
  }
}

/** Opens the address in the default browser; settles with why not, or with nothing. */
function openBrowser(address: string): Promise<string | undefined> {
  const [command, ...args]: [string, ...string[]] =
    process.platform === "darwin"
      ? ["open", address]
      : process.platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler", address]
        : ["xdg-open", address];
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "ignore" });
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code) => resolve(code === 0 ? undefined : `${command} ended with exit code ${code}`));
  });
}

const { port, open } = readArguments();

// From here on Ctrl-C is a way to end, not a failure; what is half done is undone by the operating system.
let stop: () => void = () => process.exit(0);
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop());

try {
  if (port !== undefined) await refuseTaken(port);
  await build({ log: say });
  const server = await startServer({ log: say });
  const window = {
    folder: join(root, "examples"),
    extension: root,
    file: join(root, "examples", "digits", "model.py"),
  };
  const door = await openFrontDoor(server.port, (host) => workbenchPath(host, window), port);
  let stopping = false;
  stop = () => {
    if (stopping) return;
    stopping = true;
    say("\nstopping");
    door.close();
    server.stop().then(
      () => process.exit(0),
      (error: Error) => giveUp(`could not stop the server: ${error.message}`),
    );
  };
  const address = `http://127.0.0.1:${door.port}/`;
  say(`\n${address}\n`);
  say("Open the address above in a browser: VS Code with LoRA Lens, on examples/digits/model.py.");
  say("Click the line above a layer for its analysis, or press F1 and type “LoRA Lens”. Ctrl-C here stops it.");
  if (open) {
    const problem = await openBrowser(address);
    if (problem) say(`No browser could be opened (${problem}); open the address above yourself.`);
  }
  await server.ended;
  if (!stopping) {
    await server.stop();
    giveUp("the VS Code server ended by itself");
  }
} catch (error) {
  if (error instanceof ServerError || (error instanceof Error && !("errors" in error))) giveUp(error.message);
  process.exit(2);
}
