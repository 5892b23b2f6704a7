import { basename } from "node:path";
import { type TextDocument, Uri, window, workspace } from "vscode";
import { type LensTarget, MODEL_TEXT } from "../protocol/commands";
import { SummaryRequest } from "../protocol/messages";
import type { FileSummary, ModelSummary } from "../protocol/model";
import type { WorkerClient } from "./client";
import { Notice } from "./errors";

/** The model a command is about. */
export interface ChosenModel {
  readonly uri: Uri;
  /** Absolute path. */
  readonly file: string;
  readonly class: string;
  /** Path of the layer the command was given at. */
  readonly layer?: string;
}

export function looksLikeModel(document: TextDocument): boolean {
  return document.languageId === "python" && MODEL_TEXT.test(document.getText());
}

/**
 * The model a command is about: the lens's, else the active editor's, else a file the person picks; of several classes
 * the person picks one. `undefined`: the person dismissed the choice. Throws a Notice when there is no model.
 */
export async function chooseModel(client: WorkerClient, argument: unknown): Promise<ChosenModel | undefined> {
  if (isLensTarget(argument)) {
    const uri = Uri.parse(argument.uri);
    const { class: className, layer } = argument;
    return { uri, file: savedFile(uri), class: className, ...(layer === undefined ? {} : { layer }) };
  }
  const document = await chooseDocument(argument);
  if (!document) return undefined;
  const summary = await client.request(SummaryRequest, { uri: document.uri.toString() });
  const model = await chooseClass(document, summary);
  return model && { uri: document.uri, file: savedFile(document.uri), class: model.class };
}

/** Lens arguments come back from the editor, where any extension could have made them. */
function isLensTarget(value: unknown): value is LensTarget {
  if (typeof value !== "object" || value === null) return false;
  const { uri, class: className, layer } = value as Record<string, unknown>;
  const isLayer = layer === undefined || typeof layer === "string";
  return typeof uri === "string" && typeof className === "string" && isLayer;
}

/** Jobs name files, and adapters lie beside them. */
function savedFile(uri: Uri): string {
  if (uri.scheme === "file") return uri.fsPath;
  throw new Notice("save the model's file first: adapters and their choices are kept beside it");
}

/** A resource from the explorer, the active editor, or one of the open model files. */
async function chooseDocument(argument: unknown): Promise<TextDocument | undefined> {
  if (argument instanceof Uri) return workspace.openTextDocument(argument);
  const active = window.activeTextEditor?.document;
  if (active?.languageId === "python") return active;
  const open = workspace.textDocuments.filter(looksLikeModel);
  if (open.length === 1) return open[0];
  if (open.length > 1) {
    const items = open.map((document) => ({
      label: basename(document.fileName),
      description: workspace.asRelativePath(document.uri),
      document,
    }));
    const picked = await window.showQuickPick(items, { title: "LoRA Lens", placeHolder: "Model file" });
    return picked?.document;
  }
  const browse = "Open File…";
  const answer = await window.showInformationMessage(
    "LoRA Lens: no PyTorch model file is open. Open the Python file that defines the model.",
    browse,
  );
  if (answer !== browse) return undefined;
  const [uri] = (await window.showOpenDialog({ filters: { Python: ["py"] }, title: "Model file" })) ?? [];
  if (!uri) return undefined;
  return (await window.showTextDocument(uri)).document;
}

async function chooseClass(
  document: TextDocument,
  { models, problems }: FileSummary,
): Promise<ModelSummary | undefined> {
  const name = basename(document.fileName);
  if (models.length === 0) {
    const problem = problems[0];
    const why = problem
      ? `: line ${problem.line}: ${problem.message}`
      : "; a model is a class that derives from nn.Module";
    throw new Notice(`no model class was found in ${name}${why}`);
  }
  if (models.length === 1) return models[0];
  const line = window.activeTextEditor?.document === document ? window.activeTextEditor.selection.active.line + 1 : 0;
  // The class the cursor is in comes first.
  const nearest = models.findLast((model) => model.line <= line);
  const items = models.map((model) => ({
    label: model.class,
    description: `${model.layers.length} layers${model.parameters === null ? "" : ` · ${model.parameters.toLocaleString("en-US")} parameters`} · line ${model.line}`,
    model,
  }));
  items.sort((a, b) => Number(b.model === nearest) - Number(a.model === nearest));
  const picked = await window.showQuickPick(items, {
    title: "LoRA Lens",
    placeHolder: `Model class of ${name}`,
    matchOnDescription: true,
  });
  return picked?.model;
}
