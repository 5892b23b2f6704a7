import { window } from "vscode";
import { JOBS } from "../../protocol/jobRegistry";
import type { TrainRequest } from "../../protocol/jobs";
import { TRAIN_METHODS, type TrainMethod } from "../../protocol/training";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { pickOne, runSteps } from "../dialogs/steps";
import { Notice } from "../errors";
import { chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { defaultAdapter, modelChoice, runInPanel } from "./report";
import { prepareQuestions, requireIdle } from "./trainingSteps";

const METHODS = Object.entries(TRAIN_METHODS).map(([method, { label, description }]) => ({
  label,
  description,
  method: method as TrainMethod,
}));

/** Asks for data, label, method, weights, rates and folder, each offered as chosen before; then trains with its page open. */
export async function train(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.train.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const { memory } = context;
  requireIdle(context, model);
  const { training, engine } = readSettings();
  const { answers, steps } = await prepareQuestions(context, model, memory.adapterFolder(model));
  let method = memory.of(model).method ?? "lora";

  const finished = await runSteps(`Train ${model.class}`, [
    steps.data,
    steps.label,
    (frame) =>
      pickOne(frame, {
        placeholder: "What to train",
        items: METHODS,
        active: METHODS.find((item) => item.method === method),
        accept: (item) => {
          // Rates typed for one method do not apply to another.
          if (item.method !== method) answers.rates = undefined;
          method = item.method;
        },
      }),
    steps.weights,
    (frame) => steps.rates(frame, method),
    (frame) => steps.folder(frame, method === "lora" ? "Folder of the adapter" : "Folder of the trained weights"),
  ]);
  const { data, label, weights, rates, output } = answers;
  if (!finished || data === undefined || label === undefined || !rates) return;

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
    ...rates,
    validation: training.validation,
    engine,
  });
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
