import type { Place } from "../../../protocol/model";
import { chooseModel, openChosen } from "../../readers/open";
import { summarize } from "../../readers/summary";
import type { CliCommand } from "../command";
import type { CliIO } from "../io";
import { modelChoice, type ReadChoice, withReading } from "../options";
import type { LayersOutput } from "../outputs";
import { layersText } from "../text";

export const layers: CliCommand<LayersOutput> = {
  argument: "<file>",
  description: "list each model's layers: path, kind, in, out, bias, parameters, line",
  configure: (command) => withReading(command).option("--class <name>", "list this class alone"),
  async run(_io: CliIO, options: ReadChoice & { class?: string }, file: string) {
    const opened = await openChosen(modelChoice(file, { ...options, seed: 0 }));
    const models = options.class === undefined ? opened.models : [chooseModel(opened, options.class)];
    const summary = summarize({ ...opened, models });
    const listed = summary.models.map(({ place, layers, ...model }) => ({
      ...model,
      ...cellOf(place),
      layers: layers.map(({ place, ...layer }) => ({ ...layer, ...cellOf(place) })),
    }));
    const problems = summary.problems.map(({ line, message, place }) => ({ line, ...cellOf(place), message }));
    return {
      value: { models: listed, problems },
      text: () => layersText(summary) || `${file} defines no model (no class of nn.Module, and no module is made)`,
    };
  },
};

/** In a notebook, the cell that a line is counted in. */
function cellOf({ cell }: Place): { readonly cell?: number } {
  return cell === undefined ? {} : { cell };
}
