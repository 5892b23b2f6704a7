import { readFile, stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import type { InputChoice, ModelChoice } from "../../protocol/jobs";
import { isFloating } from "../formats/dtype";
import { UserError } from "../formats/errors";
import { readNpz } from "../formats/numpy/npz";
import { lineText } from "../graph/node";
import { type GivenInput, type GivenInputs, parseInput } from "./givenInputs";
import { javascriptReader } from "./javascript/reader";
import { kerasFileReader, kerasReader } from "./keras/reader";
import type { ReaderMemory } from "./memory";
import type { Model, ModelFile, Reader, ReadOptions } from "./model";
import { notebookReader } from "./notebook/reader";
import { pythonReader } from "./python/reader";

const READERS: readonly Reader[] = [pythonReader, notebookReader, javascriptReader, kerasReader, kerasFileReader];
/** No reader takes a text longer than this, so a larger file is not even loaded. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Whether some reader takes the file, judged by its name. */
export function isModelFile(file: string): boolean {
  return READERS.some((reader) => reader.match(file));
}

/**
 * Reads the models of a file. `text` is its content as open in an editor; without it the file on disk is read.
 * @throws UserError when no reader knows the format, or the file cannot be read.
 */
export async function openModelFile(file: string, text?: string, options?: Partial<ReadOptions>): Promise<ModelFile> {
  const reader = READERS.find((r) => r.match(file));
  if (!reader) {
    const kind = extname(file) || "files without an extension";
    throw new UserError(
      `${file} is not a model file LoRA Lens can read: it reads PyTorch source (.py), Jupyter notebooks (.ipynb), TensorFlow.js source (.js, .ts) and Keras models (model.json, .keras, .h5), not ${kind}`,
      {
        file,
      },
    );
  }
  return reader.open(file, reader.binary ? "" : (text ?? (await contentOf(file))), options);
}

/** Opens the chosen file with the chosen settings. */
export function openChosen(
  { file, text, packages, configuration }: ModelChoice,
  memory?: ReaderMemory,
): Promise<ModelFile> {
  return openModelFile(file, text, {
    ...(memory && { memory }),
    ...(packages && { packages }),
    ...(configuration !== undefined && { configuration }),
  });
}

/**
 * The chosen model, traced with the chosen inputs. Throws a UserError when there is no such model, or when the inputs
 * cannot be understood.
 */
export async function openChosenModel(choice: ModelChoice): Promise<Model> {
  const model = chooseModel(await openChosen(choice), choice.class);
  if (choice.inputs) model.useInputs(await givenInputs(choice.inputs));
  return model;
}

async function givenInputs({ shapes = {}, file, from = "given" }: InputChoice): Promise<GivenInputs> {
  const stated = Object.entries(shapes).map(([name, shape]) => parseInput(name, shape));
  if (file === undefined) return { inputs: stated, from };
  const arrays = [...(await readNpz(file))].map(
    ([name, { shape, dtype }]): GivenInput => ({ name, shape, dtype: isFloating(dtype) ? "floating" : dtype }),
  );
  return { inputs: [...arrays, ...stated], from: `from ${basename(file)}` };
}

async function contentOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES)
      throw new UserError(`${file} is ${(size / 1024 / 1024).toFixed(0)} MB long: too large to be source`, { file });
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason = REASONS[code ?? ""] ?? (error as Error).message;
    throw new UserError(`${file} cannot be read: ${reason}`, { file });
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
};

/**
 * The model of the class, or without a class name the file's main model: the one that is not part of another, the last
 * when there are several.
 * @throws UserError when there is none; it lists the models of the file.
 */
export function chooseModel(opened: ModelFile, className?: string): Model {
  const { file, models, problems } = opened;
  if (className !== undefined) {
    const found = models.find((m) => m.className === className);
    if (found) return found;
    const names = models.map((m) => m.className).join(", ");
    throw new UserError(`${file} has no model ${className}; ${names ? `it has ${names}` : "it has none"}`, {
      file,
    });
  }
  if (models.length === 0) {
    const error = problems.find((p) => p.severity === "error");
    const why = error ? ` (${lineText(error.place)}: ${error.message})` : "";
    // For formats with one model, the file's own problem is the message.
    if (error && !/\.(py|ipynb)$/i.test(file)) throw new UserError(error.message, { file, line: error.place.line });
    throw new UserError(`${file} has no class that derives from torch.nn.Module and makes no module${why}`, { file });
  }
  const used = new Set(models.flatMap((m) => [...kindsWithin(m)]));
  return models.findLast((m) => !used.has(m.className)) ?? models.at(-1)!;
}

function kindsWithin(model: Model): Set<string> {
  const kinds = new Set<string>();
  const visit = (children: Model["root"]["children"]): void => {
    for (const child of children) {
      kinds.add(child.kind);
      visit(child.children);
    }
  };
  visit(model.root.children);
  return kinds;
}
