import { existsSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { commands, Uri, window } from "vscode";
import type { MergeRequest } from "../protocol/jobs";
import { type CommandContext, requireTrust } from "./context";
import { Notice } from "./errors";
import { findFiles, findWeights, pickFile, WEIGHTS_FILTER } from "./files";
import { jobId } from "./jobs";
import { chooseModel } from "./modelFile";
import { modelChoice } from "./report";
import { runSteps } from "./steps";

/** Asks for adapter, base weights and output file, and merges the adapter into the weights. */
export async function merge(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust("Merging");
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const { memory, jobs } = context;
  const adapterFiles = await findFiles("adapter_model.safetensors", model.file);
  const weightFiles = await findWeights(model.file);
  let adapterFolder: string | undefined = memory.adapterFolder(model);
  let { weights } = memory.of(model);

  const finished = await runSteps(`Merge an adapter into ${model.class}`, [
    (frame) =>
      pickFile(frame, {
        placeholder: "Adapter folder",
        files: adapterFiles.map((file) => dirname(file)),
        current: adapterFolder,
        browse: { title: "Adapter folder", folders: true },
        accept: (folder) => {
          adapterFolder = folder;
        },
      }),
    (frame) =>
      pickFile(frame, {
        placeholder: "Weights of the base model, which stay as they are",
        files: weightFiles,
        current: weights,
        none: "None: PyTorch's default initialization",
        browse: { title: "Base weights", filters: WEIGHTS_FILTER },
        accept: (file) => {
          weights = file;
        },
      }),
  ]);
  if (!finished || adapterFolder === undefined) return;
  const output = await window.showSaveDialog({
    title: "Merged weights",
    filters: { Safetensors: ["safetensors"] },
    defaultUri: Uri.file(freeName(model.file)),
  });
  if (!output) return;
  await memory.add(model, { weights });

  const job: MergeRequest = {
    kind: "merge",
    model: modelChoice(context, model),
    adapterFolder,
    output: output.fsPath,
  };
  if (jobs.has(jobId(job))) throw new Notice(`an adapter is being merged into ${model.class} already; wait for it`);
  const report = await jobs.run(jobId(job), job, `Merge into ${model.class}`, { onProgress: () => undefined });
  const layers = report.merged.length === 1 ? "1 layer" : `${report.merged.length} layers`;
  const reveal = "Show in Explorer";
  const answer = await window.showInformationMessage(
    `LoRA Lens: merged the adapter into ${layers} of ${report.model} and wrote ${report.output}.`,
    reveal,
  );
  if (answer === reveal) await commands.executeCommand("revealInExplorer", Uri.file(report.output));
}

/** `net-merged.safetensors` beside the model's file, with a number when that is taken. */
function freeName(file: string): string {
  const stem = join(dirname(file), `${basename(file, extname(file))}-merged`);
  let name = `${stem}.safetensors`;
  for (let n = 2; existsSync(name); n++) name = `${stem}-${n}.safetensors`;
  return name;
}
