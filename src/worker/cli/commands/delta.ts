import { resolve } from "node:path";
import type { DeltaReport } from "../../../protocol/reports/delta";
import { delta as compute } from "../../jobs/delta/delta";
import { weightsHelp } from "../../jobs/weights/registry";
import type { CliCommand } from "../command";
import { type CliIO, clearLine, progressLine } from "../io";
import { indent, small, table, warningLines } from "../text";

interface DeltaOptions {
  readonly out: string;
  readonly base?: string;
  readonly singularValues?: boolean;
}

export const delta: CliCommand<DeltaReport> = {
  argument: "<adapter>",
  description: "write what a saved adapter adds to each weight: ΔW = scaling · B·A",
  configure: (command) =>
    command
      .requiredOption("--out <file>", "the .safetensors file to write, a tensor for each layer, by its path")
      .option("--base <file>", `the base model's weights, to compare the norms with: ${weightsHelp()}`)
      .option("--singular-values", "print the singular values of each layer's ΔW"),
  async run(io: CliIO, options: DeltaOptions, adapter: string) {
    const report = await compute(
      {
        adapter: resolve(adapter),
        output: resolve(options.out),
        ...(options.base !== undefined && { base: resolve(options.base) }),
        ...(options.singularValues && { singularValues: true }),
      },
      { onProgress: progressLine(io), signal: io.signal, stop: io.stop },
    );
    clearLine(io);
    return { value: report, text: () => deltaText(report) };
  },
};

function deltaText({ layers, output, base, warnings }: DeltaReport): string {
  const rows = layers.map(({ path, shape, deltaNorm, share }) => [
    path,
    `[${shape.join(", ")}]`,
    small(deltaNorm),
    ...(base === null ? [] : [share === null ? "unknown" : small(share)]),
  ]);
  return [
    ...warningLines(warnings),
    indent(table(["layer", "shape", "‖ΔW‖", ...(base === null ? [] : ["‖ΔW‖/‖W₀‖"])], rows)),
    ...layers.flatMap(({ path, singularValues }) =>
      singularValues ? [`singular values of ${path}: ${singularValues.map(small).join(", ")}`] : [],
    ),
    `wrote ${output}: ${layers.length} ${layers.length === 1 ? "tensor" : "tensors"}, float32`,
  ].join("\n");
}
