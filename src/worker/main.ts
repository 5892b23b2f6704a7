import { join } from "node:path";
import { createConnection, IPCMessageReader, IPCMessageWriter, ProposedFeatures } from "vscode-languageserver/node";
import { commandLine, type ServeOptions } from "./cli/commandLine";
import { failure } from "./cli/failure";
import { startServer } from "./server/server";

/**
 * Entry of the worker: one command of the command line, or `serve`, the language server.
 * Exit codes: 0 fine, 1 a check failed, 2 bad input, 70 a defect of ours.
 */

const stop = new AbortController();
const cancel = new AbortController();

function serve({ stdio }: ServeOptions): void {
  const connection = stdio
    ? createConnection(ProposedFeatures.all, process.stdin, process.stdout)
    : createConnection(ProposedFeatures.all, new IPCMessageReader(process), new IPCMessageWriter(process));
  startServer(connection);
}

async function main(): Promise<void> {
  let serving = false;
  const program = commandLine(
    {
      out: (text) => void process.stdout.write(text),
      note: (text) => void process.stderr.write(text),
      interactive: process.stderr.isTTY === true,
      mediaFolder: join(__dirname, "media"),
      stop: stop.signal,
      signal: cancel.signal,
    },
    (code) => {
      process.exitCode = code;
    },
    (options) => {
      serving = true;
      serve(options);
    },
  );
  process.on("SIGINT", () => {
    if (stop.signal.aborted) cancel.abort();
    stop.abort();
  });
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    const { code, text } = failure(error, cancel.signal.aborted);
    process.stderr.write(text);
    process.exitCode = code;
  }
  // Native thread pools would keep the process alive; what was printed goes out first.
  if (!serving) process.stdout.write("", () => process.exit(process.exitCode));
}

void main();
