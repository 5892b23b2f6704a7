import { resolve } from "node:path";
import type { EngineChoice } from "../../../protocol/jobs";
import type { CliCommand } from "../command";
import { type CliIO, clearLine, progressLine } from "../io";
import { type ModelOptions, modelChoice, withEngine, withModel } from "../options";
import type { RunResult } from "../outputs";
import { runModel } from "../runModel";
import { warningLines } from "../text";

interface RunOptions extends ModelOptions {
  readonly engine: EngineChoice;
  readonly adapter?: string;
  readonly inputs: string;
  readonly out: string;
}

export const run: CliCommand<RunResult> = {
  argument: "<file>",
  description: "evaluate forward on the arrays of an .npz file",
  configure: (command) =>
    withEngine(withModel(command))
      .option("--adapter <folder>", "with this saved adapter")
      .requiredOption("--inputs <npz>", "arrays by the names of forward's parameters")
      .requiredOption("--out <npz>", "the .npz file to write"),
  async run(io: CliIO, options: RunOptions, file: string) {
    const { inputs: _, ...choice } = modelChoice(file, options);
    const progress = progressLine(io);
    const result = await runModel(
      {
        model: choice,
        ...(options.adapter !== undefined && { adapterFolder: resolve(options.adapter) }),
        inputs: resolve(options.inputs),
        output: resolve(options.out),
        engine: options.engine,
      },
      { signal: io.signal, onProgress: (fraction, message) => progress({ fraction, message }) },
    );
    clearLine(io);
    return { value: result, text: () => runText(result) };
  },
};

function runText({ weights, warnings, output, outputs }: RunResult): string {
  return [
    ...warningLines([...weights.notes, ...(warnings ?? [])]),
    `weights: ${weights.from}`,
    `wrote ${output}: ${outputs.map((o) => `${o.name} ${o.dtype}[${o.shape.join(", ")}]`).join(", ")}`,
  ].join("\n");
}
