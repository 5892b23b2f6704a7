import { join, resolve } from "node:path";
import { UserError } from "../../formats/errors";
import { jobCommand } from "../command";
import { type InputOptions, type ModelOptions, modelChoice, withInputs, withModel } from "../options";
import { mergeText } from "./merge";

interface ExportOptions extends ModelOptions, InputOptions {
  readonly to: string;
  readonly adapter: string;
  readonly out: string;
}

export const exportModel = jobCommand<"merge", ExportOptions>({
  description: "write a Keras model with a saved adapter merged in, for another library",
  configure: (command) =>
    withInputs(withModel(command))
      .requiredOption("--to <format>", "tfjs: a TensorFlow.js layers model")
      .requiredOption("--adapter <folder>", "the adapter")
      .requiredOption("--out <folder>", "the folder that receives model.json and its weights"),
  request(file, options) {
    if (options.to !== "tfjs") throw new UserError(`--to must be tfjs, not "${options.to}"`);
    return {
      kind: "merge",
      model: modelChoice(file, options),
      adapterFolder: resolve(options.adapter),
      output: join(resolve(options.out), "model.json"),
    };
  },
  text: mergeText,
});
