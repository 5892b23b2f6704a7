import { basename, dirname } from "node:path";
import { JOBS } from "../../protocol/jobRegistry";
import { ADAPTER_WEIGHTS_FILES } from "../../protocol/lora";
import { DataColumnsRequest, DataFormatsRequest } from "../../protocol/messages";
import type { RunRequest } from "../../protocol/reports/forward";
import { type CommandContext, requireTrust } from "../context";
import { findFiles, pickFile } from "../dialogs/files";
import { inputText, pickOne, runSteps } from "../dialogs/steps";
import { chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { weightChoices } from "../weights";
import { modelChoice, runInPanel } from "./report";

/** NumPy's files, which hold inputs as they are. */
const ARRAYS = ["npz", "npy"];
/** Names that label columns usually have. */
const LABEL_NAMES = /^(label|target|class|y)$/i;

/** Asks for weights, adapter and sample, and runs forward with its page open. */
export async function run(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.run.needsTrust);
  const { client, memory } = context;
  const model = await chooseModel(client, argument);
  if (!model) return;
  const { engine, training } = readSettings();
  const { formats } = await client.request(DataFormatsRequest, {});
  const tables = formats.flatMap(({ extensions }) => extensions);
  const found = (endings: readonly string[]) => Promise.all(endings.map((ending) => findFiles(ending, model.file)));
  const samples = (await found([...ARRAYS, ...tables].map((one) => `.${one}`))).flat();
  const adapters = [...new Set((await found(ADAPTER_WEIGHTS_FILES)).flat().map((file) => dirname(file)))];
  const baseWeights = await weightChoices(client, model);
  let { weights } = memory.of(model);
  const own = memory.adapterFolder(model);
  let adapterFolder = adapters.includes(own) ? own : undefined;
  let file: string | undefined;

  const finished = await runSteps(`Run forward of ${model.class}`, [
    (frame) =>
      pickFile(frame, {
        placeholder: "Weights of the base model",
        files: baseWeights.files,
        current: weights,
        none: baseWeights.none,
        browse: { title: "Base weights", filters: baseWeights.filters },
        accept: (chosen) => {
          weights = chosen;
        },
      }),
    (frame) =>
      pickFile(frame, {
        placeholder: "Adapter to compare the base with",
        files: adapters,
        current: adapterFolder,
        none: "None: the base alone",
        browse: { title: "Adapter folder", folders: true },
        accept: (chosen) => {
          adapterFolder = chosen;
        },
      }),
    (frame) =>
      pickFile(frame, {
        placeholder: "Sample that forward is given",
        files: samples,
        none: `Random numbers of seed ${training.seed}`,
        browse: { title: "Sample", filters: { Samples: [...ARRAYS, ...tables] } },
        accept: (chosen) => {
          file = chosen;
        },
      }),
  ]);
  if (!finished) return;
  let sample: RunRequest["sample"] = file === undefined ? undefined : { file };
  if (file !== undefined && tables.some((ending) => file!.toLowerCase().endsWith(`.${ending}`))) {
    const row = await askRow(context, file);
    if (!row) return;
    sample = { file, ...row };
  }
  await memory.add(model, { weights });
  await runInPanel<RunRequest>(context, model, {
    kind: "run",
    model: modelChoice(context, model),
    ...(adapterFolder !== undefined && { adapterFolder }),
    ...(sample && { sample }),
    engine,
  });
}

/** Which row of a table, and which column of it is no input. */
async function askRow(
  { client }: CommandContext,
  file: string,
): Promise<{ readonly row: number; readonly label: string } | undefined> {
  const { columns } = await client.request(DataColumnsRequest, { file });
  const items = columns.map((name) => ({ label: name }));
  const guess = columns.find((name) => LABEL_NAMES.test(name)) ?? columns.at(-1);
  let [row, label] = [1, ""];
  const finished = await runSteps(`Sample from ${basename(file)}`, [
    (frame) =>
      pickOne(frame, {
        placeholder: "Label column; the others are the input, in order",
        items,
        active: items.find((item) => item.label === guess),
        accept: (item) => {
          label = item.label;
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: "Row",
        value: String(row),
        check: (text) =>
          /^[1-9]\d*$/.test(text)
            ? { says: "counted from 1, without the header" }
            : { error: "The row must be a whole number, 1 or more" },
        accept: (text) => {
          row = Number(text);
        },
      }),
  ]);
  return finished ? { row, label } : undefined;
}
