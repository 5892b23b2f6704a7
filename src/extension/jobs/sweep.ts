import { basename, dirname, extname, join } from "node:path";
import { JOBS } from "../../protocol/jobRegistry";
import type { SweepRequest } from "../../protocol/jobs";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { type Checked, inputText, runSteps } from "../dialogs/steps";
import { chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { OFFERED_RANKS, parseRanks, ranksText } from "./ranks";
import { defaultAdapter, modelChoice, runInPanel } from "./report";
import { prepareQuestions, requireIdle } from "./trainingSteps";

/** Asks what Train… asks and which ranks to compare, then trains at each of them with the sweep's page open. */
export async function sweep(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.sweep.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const { memory } = context;
  requireIdle(context, model);
  const { training, engine } = readSettings();
  const folder = memory.of(model).sweepFolder ?? defaultFolder(model.file);
  const { answers, steps } = await prepareQuestions(context, model, folder);
  let ranks = memory.of(model).ranks ?? OFFERED_RANKS;

  const finished = await runSteps(`Sweep ranks of ${model.class}`, [
    steps.data,
    steps.label,
    steps.weights,
    (frame) =>
      inputText(frame, {
        prompt: "Ranks to train, with commas",
        value: ranksText(ranks),
        check: checkRanks,
        accept: (text) => {
          ranks = parseRanks(text) ?? ranks;
        },
      }),
    (frame) => steps.rates(frame, "lora"),
    (frame) => steps.folder(frame, "Folder of the sweep: the results, and one adapter per rank"),
  ]);
  const { data, label, weights, rates, output } = answers;
  if (!finished || data === undefined || label === undefined || !rates) return;

  await memory.add(model, { data, label, weights, ranks, sweepFolder: output });
  const saved = await savedAdapter(context, model);
  await runInPanel<SweepRequest>(context, model, {
    kind: "sweep",
    model: modelChoice(context, model),
    adapter: saved?.adapter ?? defaultAdapter(),
    ranks,
    data,
    label,
    output,
    ...rates,
    validation: training.validation,
    engine,
  });
}

function checkRanks(text: string): Checked {
  const ranks = parseRanks(text);
  if (!ranks) return { error: 'Give up to 32 whole numbers, 1 or more: for example "4, 8, 16, 32, 64"' };
  return { says: ranks.length === 1 ? "one training" : `${ranks.length} trainings, one after the other` };
}

/** `net-sweep` beside `net.py`. */
function defaultFolder(file: string): string {
  return join(dirname(file), `${basename(file, extname(file))}-sweep`);
}
