import { Command } from "commander";
import type { CliCommand } from "./command";
import { COMMANDS } from "./commands/registry";
import { EXIT } from "./failure";
import type { CliIO } from "./io";

export type { CliIO } from "./io";

export interface ServeOptions {
  readonly stdio?: boolean;
  readonly nodeIpc?: boolean;
}

/** The command line. Each action resolves to an exit code, handed to `done`. */
export function commandLine(io: CliIO, done: (code: number) => void, serve: (options: ServeOptions) => void): Command {
  const program = new Command("lora-lens")
    .description("LoRA on PyTorch model files, without running them: layers, costs, verification, training, merging.")
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.note(text),
      outputError: (text, write) => write(`lora-lens: ${oneLine(text)} (--help tells more)\n`),
    })
    .exitOverride();

  for (const [name, { argument, description, configure, run }] of Object.entries<CliCommand<unknown>>(COMMANDS)) {
    const usage = argument === undefined ? name : `${name} ${argument}`;
    const command = program.command(usage).description(description).option("--json", "print JSON");
    configure(command).action(async (...given: unknown[]) => {
      // The arguments, the options, the command itself.
      const options = given.at(-2) as { readonly json?: boolean };
      const { value, text, exitCode } = await run(io, options as never, given.length > 2 ? String(given[0]) : "");
      io.out(options.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
      done(exitCode ?? EXIT.fine);
    });
  }

  program
    .command("serve")
    .description("serve the Language Server Protocol")
    .option("--stdio", "over standard input and output")
    .option("--node-ipc", "over the channel of the parent process")
    .option("--clientProcessId <pid>", "the editor's process, as vscode-languageclient passes it")
    .action((options: ServeOptions) => serve(options));

  return program;
}

/** Commander begins with "error: " and puts its guess at a mistyped name on a line of its own. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
}
