import { basename } from "node:path";
import { type NotebookDocument, TabInputCustom, TabInputText, type TextDocument, Uri, window, workspace } from "vscode";
import { KERAS_TEXT, type LensTarget, MODEL_TEXT, modelFormat, TFJS_LANGUAGES, TFJS_TEXT } from "../protocol/commands";
import { SummaryRequest } from "../protocol/messages";
import type { FileSummary, ModelSummary } from "../protocol/model";
import type { WorkerClient } from "./client";
import { Notice } from "./errors";

/** VS Code's type of .ipynb files. */
const JUPYTER = "jupyter-notebook";

/** For the file dialog. */
const MODEL_EXTENSIONS = ["py", "ipynb", "json", "keras", "h5", "hdf5", "js", "mjs", "ts", "jsx", "tsx"];

/** The model a command is about. */
export interface ChosenModel {
  readonly uri: Uri;
  /** Absolute path. */
  readonly file: string;
  readonly class: string;
  /** Path of the layer the command was given at. */
  readonly layer?: string;
}

/** "line 5", or in a notebook "cell 3, line 5". */
export function lineText({ cell, line }: { readonly cell?: number; readonly line: number }): string {
  return cell === undefined ? `line ${line}` : `cell ${cell}, line ${line}`;
}

/** A file or a notebook that may define models. */
interface ModelDocument {
  readonly uri: Uri;
  readonly name: string;
  /** Where the cursor is, counted from 1; in a notebook the line of a cell. */
  readonly cursor?: { readonly cell?: number; readonly line: number };
}

/** The text document's file; for a cell, the notebook it belongs to. */
function modelDocument(document: TextDocument): ModelDocument {
  const notebook = notebookOf(document);
  const editor = window.activeTextEditor;
  const line = editor?.document === document ? editor.selection.active.line + 1 : undefined;
  if (!notebook) {
    const { uri, fileName } = document;
    return { uri, name: basename(fileName), ...(line === undefined ? {} : { cursor: { line } }) };
  }
  const cell = notebook.getCells().findIndex((one) => one.document === document) + 1;
  return { ...ofUri(notebook.uri), ...(line === undefined ? {} : { cursor: { cell, line } }) };
}

/** A notebook, or a binary file, which has no text document. */
function ofUri(uri: Uri): ModelDocument {
  return { uri, name: basename(uri.path) };
}

const isKerasFile = (uri: Uri): boolean => modelFormat(uri.path) === "keras-file";

/** The .keras or .h5 file of the tab in front, which VS Code shows no text of. */
function activeKerasFile(): ModelDocument | undefined {
  const input = window.tabGroups.activeTabGroup.activeTab?.input;
  if (!(input instanceof TabInputText || input instanceof TabInputCustom)) return undefined;
  return isKerasFile(input.uri) ? ofUri(input.uri) : undefined;
}

function notebookOf(document: TextDocument): NotebookDocument | undefined {
  return workspace.notebookDocuments.find((one) => one.getCells().some((cell) => cell.document === document));
}

/** What the notebook's toolbar passes to a command. */
function toolbarNotebook(argument: unknown): Uri | undefined {
  if (typeof argument !== "object" || argument === null || !("notebookEditor" in argument)) return undefined;
  const { notebookEditor } = argument;
  if (typeof notebookEditor !== "object" || notebookEditor === null || !("notebookUri" in notebookEditor))
    return undefined;
  return notebookEditor.notebookUri instanceof Uri ? notebookEditor.notebookUri : undefined;
}

export function looksLikeModel(document: TextDocument): boolean {
  if (TFJS_LANGUAGES.includes(document.languageId)) return TFJS_TEXT.test(document.getText());
  if (document.languageId === "json") return KERAS_TEXT.test(document.getText());
  return document.languageId === "python" && MODEL_TEXT.test(document.getText());
}

/**
 * The model a command is about: the lens's, else the active editor's, else a file the person picks; of several classes
 * the person picks one. `undefined`: the person dismissed the choice. Throws a Notice when there is no model.
 */
export async function chooseModel(
  client: WorkerClient,
  argument: unknown,
  among?: Among,
): Promise<ChosenModel | undefined> {
  if (isLensTarget(argument)) {
    const uri = Uri.parse(argument.uri);
    const { class: className, layer } = argument;
    return { uri, file: savedFile(uri), class: className, ...(layer === undefined ? {} : { layer }) };
  }
  const document = await chooseDocument(argument);
  if (!document) return undefined;
  const summary = await client.request(SummaryRequest, { uri: document.uri.toString() });
  const model = await chooseClass(document, summary, among);
  return model && { uri: document.uri, file: savedFile(document.uri), class: model.class };
}

/** The classes that a command is for. */
export interface Among {
  readonly keep: (model: ModelSummary) => boolean;
  /** The message for a file without such a class: "no model in this file …". */
  readonly none: string;
}

/** Lens arguments come back from the editor, where any extension could have made them. */
function isLensTarget(value: unknown): value is LensTarget {
  if (typeof value !== "object" || value === null) return false;
  const { uri, class: className, layer } = value as Record<string, unknown>;
  const isLayer = layer === undefined || typeof layer === "string";
  return typeof uri === "string" && typeof className === "string" && isLayer;
}

/** Jobs need file paths, and adapters are stored next to them. */
function savedFile(uri: Uri): string {
  if (uri.scheme === "file") return uri.fsPath;
  throw new Notice("save the model's file first: adapters and settings are stored next to it");
}

/** A resource from the explorer or a menu, the active editor or notebook, or one of the open model files. */
async function chooseDocument(argument: unknown): Promise<ModelDocument | undefined> {
  const fromToolbar = toolbarNotebook(argument);
  if (fromToolbar) return ofUri(fromToolbar);
  if (argument instanceof Uri) {
    if (isKerasFile(argument)) return ofUri(argument);
    const isNotebook = workspace.notebookDocuments.some(({ uri }) => uri.toString() === argument.toString());
    return isNotebook ? ofUri(argument) : modelDocument(await workspace.openTextDocument(argument));
  }
  const active = window.activeTextEditor?.document;
  if (active && (active.languageId === "python" || looksLikeModel(active))) return modelDocument(active);
  const notebook = window.activeNotebookEditor?.notebook;
  if (notebook?.notebookType === JUPYTER) return ofUri(notebook.uri);
  const kerasFile = activeKerasFile();
  if (kerasFile) return kerasFile;
  const open = distinct(workspace.textDocuments.filter(looksLikeModel).map(modelDocument));
  if (open.length === 1) return open[0];
  if (open.length > 1) {
    const items = open.map((document) => ({
      label: document.name,
      description: workspace.asRelativePath(document.uri),
      document,
    }));
    const picked = await window.showQuickPick(items, { title: "LoRA Lens", placeHolder: "Model file" });
    return picked?.document;
  }
  const browse = "Open File…";
  const answer = await window.showInformationMessage(
    "LoRA Lens: no model file is open. Open the source file, the notebook, the model.json or the .keras or .h5 file with the model.",
    browse,
  );
  if (answer !== browse) return undefined;
  const [uri] =
    (await window.showOpenDialog({ filters: { "Model files": MODEL_EXTENSIONS }, title: "Model file" })) ?? [];
  if (!uri) return undefined;
  if (isKerasFile(uri)) return ofUri(uri);
  if (!uri.path.endsWith(".ipynb")) return modelDocument((await window.showTextDocument(uri)).document);
  return ofUri((await window.showNotebookDocument(await workspace.openNotebookDocument(uri))).notebook.uri);
}

/** The cells of one notebook are one document. */
function distinct(documents: readonly ModelDocument[]): ModelDocument[] {
  return [...new Map(documents.map((document) => [document.uri.toString(), document])).values()];
}

async function chooseClass(
  { name, cursor }: ModelDocument,
  { models: all, problems }: FileSummary,
  among: Among | undefined,
): Promise<ModelSummary | undefined> {
  if (all.length === 0) {
    const problem = problems[0];
    const why = problem
      ? `: ${lineText(problem.place)}: ${problem.message}`
      : `; a model is ${modelFormat(name) === "tfjs-source" ? "made by tf.sequential or tf.model" : "a class that derives from nn.Module, or a module that the file makes"}`;
    throw new Notice(`no model was found in ${name}${why}`);
  }
  const models = among ? all.filter(among.keep) : all;
  if (among && models.length === 0) throw new Notice(`${name}: ${among.none}`);
  if (models.length === 1) return models[0];
  // The class the cursor is in comes first.
  const nearest = models.findLast(
    ({ place }) =>
      cursor !== undefined &&
      (place.cell === cursor.cell ? place.line <= cursor.line : (place.cell ?? 0) < (cursor.cell ?? 0)),
  );
  const items = models.map((model) => ({
    label: model.class,
    description: `${model.kind === undefined ? "" : `${model.kind} · `}${model.layers.length} ${model.layers.length === 1 ? "layer" : "layers"}${model.parameters === null ? "" : ` · ${model.parameters.toLocaleString("en-US")} parameters`} · ${lineText(model.place)}`,
    model,
  }));
  items.sort((a, b) => Number(b.model === nearest) - Number(a.model === nearest));
  const picked = await window.showQuickPick(items, {
    title: "LoRA Lens",
    placeHolder: `Model of ${name}`,
    matchOnDescription: true,
  });
  return picked?.model;
}
