import { isAbsolute } from "node:path";
import { DataColumnsRequest, DataFormatsRequest } from "../../protocol/messages";
import type { TrainMethod } from "../../protocol/training";
import type { CommandContext } from "../context";
import { findFiles, pickFile } from "../dialogs/files";
import { type Checked, type Frame, inputText, type Outcome, pickOne, type Step } from "../dialogs/steps";
import { Notice } from "../errors";
import type { ChosenModel } from "../modelFile";
import { readSettings } from "../settings";
import { weightChoices } from "../weights";
import { offeredRates, parseRates, type Rates, ratesText } from "./rates";

/** The questions that every command that trains asks, each offered as answered before. */

export interface TrainingAnswers {
  data: string | undefined;
  label: string | undefined;
  weights: string | undefined;
  rates: Rates | undefined;
  output: string;
}

export interface TrainingSteps {
  readonly data: Step;
  readonly label: Step;
  readonly weights: Step;
  readonly rates: (frame: Frame, method: TrainMethod) => Promise<Outcome>;
  readonly folder: (frame: Frame, prompt: string) => Promise<Outcome>;
}

/** Names that label columns usually have. */
const LABEL_NAMES = /^(label|target|class|y)$/i;

/** @throws Notice if a training of the model is under way. */
export function requireIdle({ jobs }: CommandContext, model: ChosenModel): void {
  if (jobs.trainings().some((training) => training.model.file === model.file && training.model.class === model.class)) {
    throw new Notice(`${model.class} is already being trained; stop that training or wait for it to finish`);
  }
}

/** Looks for data and weights. The steps write what is answered into `answers`. */
export async function prepareQuestions(
  { client, memory }: CommandContext,
  model: ChosenModel,
  output: string,
): Promise<{ readonly answers: TrainingAnswers; readonly steps: TrainingSteps }> {
  const { training } = readSettings();
  const { formats } = await client.request(DataFormatsRequest, {});
  const endings = formats.flatMap(({ extensions }) => extensions);
  const dataFiles = (await Promise.all(endings.map((ending) => findFiles(`.${ending}`, model.file)))).flat();
  const baseWeights = await weightChoices(client, model);
  const { data, label, weights } = memory.of(model);
  const answers: TrainingAnswers = { data, label, weights, rates: undefined, output };

  const steps: TrainingSteps = {
    data: (frame) =>
      pickFile(frame, {
        placeholder: `Data: ${formats.map(({ what }) => what).join(", or ")}`,
        files: dataFiles,
        current: answers.data,
        browse: {
          title: "Training data",
          filters: Object.fromEntries(formats.map(({ label, extensions }) => [label, [...extensions]])),
        },
        accept: (file) => {
          answers.data = file;
        },
      }),
    label: async (frame) => {
      const { columns } = await client.request(DataColumnsRequest, { file: answers.data! });
      const guess = columns.find((name) => name === answers.label) ?? columns.find((name) => LABEL_NAMES.test(name));
      const items = columns.map((name) => ({ label: name }));
      return pickOne(frame, {
        placeholder: "Column to predict; the others are the input, in order",
        items,
        active: items.find((item) => item.label === (guess ?? columns.at(-1))),
        accept: (item) => {
          answers.label = item.label;
        },
      });
    },
    weights: (frame) =>
      pickFile(frame, {
        placeholder: "Weights of the base model",
        files: baseWeights.files,
        current: answers.weights,
        none: baseWeights.none,
        browse: { title: "Base weights", filters: baseWeights.filters },
        accept: (file) => {
          answers.weights = file;
        },
      }),
    rates: (frame, method) =>
      inputText(frame, {
        prompt: "Epochs, batch size, learning rate",
        value: ratesText(answers.rates ?? offeredRates(training, method)),
        check: checkRates,
        accept: (text) => {
          answers.rates = parseRates(text);
        },
      }),
    folder: (frame, prompt) =>
      inputText(frame, {
        prompt,
        value: answers.output,
        check: checkFolder,
        accept: (text) => {
          answers.output = text;
        },
      }),
  };
  return { answers, steps };
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
