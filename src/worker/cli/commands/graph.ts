import { printGraph } from "../../graph/print";
import { planAdapter } from "../../jobs/adapter";
import { removeDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { openChosenModel } from "../../readers/open";
import type { CliCommand } from "../command";
import type { CliIO } from "../io";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  withAdapter,
  withInputs,
  withModel,
} from "../options";
import type { GraphOutput } from "../outputs";

interface GraphOptions extends ModelOptions, InputOptions, AdapterOptions {
  readonly lora?: boolean;
  readonly places?: boolean;
  readonly training?: boolean;
}

export const graph: CliCommand<GraphOutput> = {
  argument: "<file>",
  description: "print the traced graph of forward",
  configure: (command) =>
    withInputs(withAdapter(withModel(command)))
      .option("--lora", "with the adapters injected")
      .option("--places", "with the source line of each node")
      .option("--training", "in training mode"),
  async run(_io: CliIO, options: GraphOptions, file: string) {
    const model = await openChosenModel(modelChoice(file, options));
    const training = options.training ?? false;
    let { graph } = model.trace({ training });
    if (options.lora) {
      const { layers } = planAdapter(model, adapterConfig(options), training ? undefined : graph);
      graph = injectLora(graph, layers);
    }
    if (!training) graph = removeDropout(graph);
    const text = printGraph(graph, { places: options.places ?? false });
    return { value: { class: model.className, graph: text }, text: () => text.trimEnd() };
  },
};
