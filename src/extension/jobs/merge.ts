import { existsSync } from "node:fs";
import { basename, dirname, extname, isAbsolute, join } from "node:path";
import { commands, Uri, window } from "vscode";
import { modelFormat } from "../../protocol/commands";
import { JOBS } from "../../protocol/jobRegistry";
import type { MergeRequest } from "../../protocol/jobs";
import { ADAPTER_WEIGHTS_FILES } from "../../protocol/lora";
import { type CommandContext, requireTrust } from "../context";
import { findFiles, pickFile } from "../dialogs/files";
import { type Checked, inputText, pickOne, runSteps, type Step } from "../dialogs/steps";
import { Notice } from "../errors";
import { type ChosenModel, chooseModel } from "../modelFile";
import { weightChoices } from "../weights";
import { jobId } from "./jobs";
import { modelChoice } from "./report";

const SAFETENSORS = { label: "Safetensors", description: "one .safetensors file with the merged weights", tfjs: false };
const TFJS = {
  label: "TensorFlow.js layers model",
  description: "model.json and its weights, for tf.loadLayersModel",
  tfjs: true,
};

/** Asks for adapter, base weights, form and place of the output, and merges the adapter into the weights. */
export async function merge(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.merge.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const { memory, jobs } = context;
  const adapterFiles = await Promise.all(ADAPTER_WEIGHTS_FILES.map((name) => findFiles(name, model.file)));
  const baseWeights = await weightChoices(context.client, model);
  let adapterFolder: string | undefined = memory.adapterFolder(model);
  let { weights } = memory.of(model);
  let form = SAFETENSORS;

  const steps: Step[] = [
    (frame) =>
      pickFile(frame, {
        placeholder: "Adapter folder",
        files: [...new Set(adapterFiles.flat().map((file) => dirname(file)))],
        current: adapterFolder,
        browse: { title: "Adapter folder", folders: true },
        accept: (folder) => {
          adapterFolder = folder;
        },
      }),
    (frame) =>
      pickFile(frame, {
        placeholder: "Weights of the base model, which stay as they are",
        files: baseWeights.files,
        current: weights,
        none: baseWeights.none,
        browse: { title: "Base weights", filters: baseWeights.filters },
        accept: (file) => {
          weights = file;
        },
      }),
  ];
  if (modelFormat(model.file) !== "pytorch") {
    steps.push((frame) =>
      pickOne(frame, {
        placeholder: "What to write",
        items: [TFJS, SAFETENSORS],
        active: TFJS,
        accept: (item) => {
          form = item;
        },
      }),
    );
  }
  if (!(await runSteps(`Merge an adapter into ${model.class}`, steps)) || adapterFolder === undefined) return;
  const output = form.tfjs ? await tfjsOutput(model) : await safetensorsOutput(model);
  if (output === undefined) return;
  await memory.add(model, { weights });

  const job: MergeRequest = { kind: "merge", model: modelChoice(context, model), adapterFolder, output };
  if (jobs.has(jobId(job)))
    throw new Notice(`an adapter is already being merged into ${model.class}; wait for it to finish`);
  const report = await jobs.run(jobId(job), job, `Merge into ${model.class}`, { onProgress: () => undefined });
  const layers = report.merged.length === 1 ? "1 layer" : `${report.merged.length} layers`;
  const reveal = "Show in Explorer";
  const answer = await window.showInformationMessage(
    `LoRA Lens: merged the adapter into ${layers} of ${report.model} and wrote ${report.output}.`,
    reveal,
  );
  if (answer === reveal) await commands.executeCommand("revealInExplorer", Uri.file(report.output));
}

async function safetensorsOutput({ file }: ChosenModel): Promise<string | undefined> {
  const output = await window.showSaveDialog({
    title: "Merged weights",
    filters: { Safetensors: ["safetensors"] },
    defaultUri: Uri.file(freeName(file, ".safetensors")),
  });
  return output?.fsPath;
}

/** A layers model is several files, so it gets a folder of its own. */
async function tfjsOutput({ file, class: className }: ChosenModel): Promise<string | undefined> {
  let folder = freeName(file, "");
  const finished = await runSteps(`Export ${className} to TensorFlow.js`, [
    (frame) =>
      inputText(frame, {
        prompt: "Folder of the TensorFlow.js model",
        value: folder,
        check: checkFolder,
        accept: (text) => {
          folder = text;
        },
      }),
  ]);
  return finished ? join(folder, "model.json") : undefined;
}

function checkFolder(text: string): Checked {
  if (!isAbsolute(text)) return { error: "Give an absolute path" };
  const output = join(text, "model.json");
  return existsSync(output) ? { error: `There is a model.json already in ${text}` } : { says: `writes ${output}` };
}

/** `net-merged` with the extension beside the model's file, with a number when that is taken. */
function freeName(file: string, extension: string): string {
  const stem = join(dirname(file), `${basename(file, extname(file))}-merged`);
  let name = `${stem}${extension}`;
  for (let n = 2; existsSync(name); n++) name = `${stem}-${n}${extension}`;
  return name;
}
