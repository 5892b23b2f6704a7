import { join } from "node:path";
import { CommanderError } from "commander";
import { createConnection, IPCMessageReader, IPCMessageWriter, ProposedFeatures } from "vscode-languageserver/node";
import { commandLine, EXIT, type ServeOptions } from "./cli/commands";
import { UserError } from "./formats/errors";
import { startServer } from "./server/server";

/**
 * Entry of the worker: one command of the command line, or `serve`, the language server.
 * Exit codes: 0 fine, 1 a check failed, 2 bad input, 70 a defect of ours.
 */
const DEFECT = 70;

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
    report(error);
  }
  // Native thread pools would keep the process alive; what was printed goes out first.
  if (!serving) process.stdout.write("", () => process.exit(process.exitCode));
}

function report(error: unknown): void {
  if (error instanceof CommanderError) {
    // It has printed its message itself; help that was asked for is no error.
    process.exitCode = error.exitCode === 0 ? EXIT.fine : EXIT.badInput;
  } else if (error instanceof UserError) {
    const { file, line } = error.place ?? {};
    const where = file !== undefined && line !== undefined ? `${file}:${line}: ` : "";
    process.stderr.write(`lora-lens: ${where}${error.message}\n`);
    process.exitCode = EXIT.badInput;
  } else if (cancel.signal.aborted) {
    process.stderr.write("lora-lens: cancelled\n");
    process.exitCode = EXIT.badInput;
  } else {
    process.stderr.write(
      `lora-lens: this is a defect of LoRA Lens, please report it\n${error instanceof Error ? error.stack : error}\n`,
    );
    process.exitCode = DEFECT;
  }
}

void main();
