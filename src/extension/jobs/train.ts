import { isAbsolute } from "node:path";
import { window } from "vscode";
import { JOBS } from "../../protocol/jobRegistry";
import type { TrainRequest } from "../../protocol/jobs";
import { DataColumnsRequest, DataFormatsRequest } from "../../protocol/messages";
import { TRAIN_METHODS, type TrainMethod } from "../../protocol/training";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { findFiles, pickFile } from "../dialogs/files";
import { type Checked, inputText, pickOne, runSteps } from "../dialogs/steps";
import { Notice } from "../errors";
import { chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { weightChoices } from "../weights";
import { offeredRates, parseRates, type Rates, ratesText } from "./rates";
import { defaultAdapter, modelChoice, runInPanel } from "./report";

const METHODS = Object.entries(TRAIN_METHODS).map(([method, { label, description }]) => ({
  label,
  description,
  method: method as TrainMethod,
}));

/** Names that label columns usually have. */
const LABEL_NAMES = /^(label|target|class|y)$/i;

/** Asks for data, label, method, weights, rates and folder, each offered as chosen before; then trains with its page open. */
export async function train(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.train.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const { memory, jobs } = context;
  if (jobs.trainings().some((training) => training.model.file === model.file && training.model.class === model.class)) {
    throw new Notice(`${model.class} is already being trained; stop that training or wait for it to finish`);
  }
  const before = memory.of(model);
  const { training, engine } = readSettings();
  const { formats } = await context.client.request(DataFormatsRequest, {});
  const endings = formats.flatMap(({ extensions }) => extensions);
  const dataFiles = (await Promise.all(endings.map((ending) => findFiles(`.${ending}`, model.file)))).flat();
  const baseWeights = await weightChoices(context.client, model);

  let data = before.data;
  let columns: readonly string[] = [];
  let label = before.label;
  let method = before.method ?? "lora";
  let weights = before.weights;
  let typed: Rates | undefined;
  let output = memory.adapterFolder(model);

  const finished = await runSteps(`Train ${model.class}`, [
    (frame) =>
      pickFile(frame, {
        placeholder: `Data: ${formats.map(({ what }) => what).join(", or ")}`,
        files: dataFiles,
        current: data,
        browse: {
          title: "Training data",
          filters: Object.fromEntries(formats.map(({ label, extensions }) => [label, [...extensions]])),
        },
        accept: (file) => {
          data = file;
        },
      }),
    async (frame) => {
      ({ columns } = await context.client.request(DataColumnsRequest, { file: data! }));
      const guess = columns.find((name) => name === label) ?? columns.find((name) => LABEL_NAMES.test(name));
      const items = columns.map((name) => ({ label: name }));
      return pickOne(frame, {
        placeholder: "Column to predict; the others are the input, in order",
        items,
        active: items.find((item) => item.label === (guess ?? columns.at(-1))),
        accept: (item) => {
          label = item.label;
        },
      });
    },
    (frame) =>
      pickOne(frame, {
        placeholder: "What to train",
        items: METHODS,
        active: METHODS.find((item) => item.method === method),
        accept: (item) => {
          // Rates typed for one method do not apply to another.
          if (item.method !== method) typed = undefined;
          method = item.method;
        },
      }),
    (frame) =>
      pickFile(frame, {
        placeholder: "Weights of the base model",
        files: baseWeights.files,
        current: weights,
        none: baseWeights.none,
        browse: { title: "Base weights", filters: baseWeights.filters },
        accept: (file) => {
          weights = file;
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: "Epochs, batch size, learning rate",
        value: ratesText(typed ?? offeredRates(training, method)),
        check: checkRates,
        accept: (text) => {
          typed = parseRates(text);
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: method === "lora" ? "Folder of the adapter" : "Folder of the trained weights",
        value: output,
        check: checkFolder,
        accept: (text) => {
          output = text;
        },
      }),
  ]);
  if (!finished || data === undefined || label === undefined || !typed) return;

  await memory.add(model, { data, label, method, weights, ...(method === "lora" ? { adapterFolder: output } : {}) });
  const saved = await savedAdapter(context, model);
  await runInPanel<TrainRequest>(context, model, {
    kind: "train",
    model: modelChoice(context, model),
    adapter: saved?.adapter ?? defaultAdapter(),
    method,
    data,
    label,
    output,
    ...typed,
    validation: training.validation,
    engine,
  });
}

function checkRates(text: string): Checked {
  const rates = parseRates(text);
  if (!rates) return { error: 'Give two whole numbers, 1 or more, and a number above 0: for example "20, 32, 0.002"' };
  const { epochs, batchSize, learningRate } = rates;
  return { says: `${epochs} epochs in batches of ${batchSize}, learning rate ${learningRate}` };
}

function checkFolder(text: string): Checked {
  return isAbsolute(text) ? { says: "created if it does not exist" } : { error: "Give an absolute path" };
}

/** Stops the training under way; of several, the person picks one. The result so far is saved. */
export async function stopTraining({ jobs }: CommandContext): Promise<void> {
  const trainings = jobs.trainings();
  if (trainings.length === 0) throw new Notice("no training is running in this window");
  if (trainings.length === 1) return jobs.stop(trainings[0]!.id);
  const items = trainings.map(({ id, title }) => ({ label: title, id }));
  const picked = await window.showQuickPick(items, { title: "Stop Training", placeHolder: "Training to stop" });
  if (picked) await jobs.stop(picked.id);
}
