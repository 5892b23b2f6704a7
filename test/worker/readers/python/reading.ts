import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Model, ModelFile, ReadLimits } from "../../../../src/worker/readers/model";
import { pythonReader } from "../../../../src/worker/readers/python/reader";

/** What the tests of the Python reader share. */

export const fixtures = join(__dirname, "../../../fixtures/python");

export function fixture(name: string): string {
  return readFileSync(join(fixtures, name), "utf8");
}

/** Reads source as the file model.py. */
export function read(source: string, limits?: Partial<ReadLimits>): Promise<ModelFile> {
  return pythonReader.open("model.py", source, limits);
}

/** Reads source with torch imported, as all of these tests' sources have it. */
export function readTorch(source: string, limits?: Partial<ReadLimits>): Promise<ModelFile> {
  return read(`import torch, math\nimport torch.nn as nn\nimport torch.nn.functional as F\n${source}`, limits);
}

export function modelNamed(opened: ModelFile, name: string): Model {
  const model = opened.models.find((m) => m.className === name);
  if (!model) throw new Error(`no model ${name} among ${opened.models.map((m) => m.className).join(", ")}`);
  return model;
}

/** `path kind(in, out)` of each leaf of the tree. */
export function layersOf(model: Model): string[] {
  const lines: string[] = [];
  const visit = (module: Model["root"]): void => {
    if (module.children.length > 0) for (const child of module.children) visit(child);
    else if (module.path !== "") {
      const size = module.inFeatures !== undefined || module.outFeatures !== undefined;
      lines.push(`${module.path} ${module.kind}${size ? `(${module.inFeatures}, ${module.outFeatures})` : ""}`);
    }
  };
  visit(model.root);
  return lines;
}

export function messages(opened: ModelFile): string[] {
  return opened.problems.map((p) => `${p.place.line}: ${p.message}`);
}

/** Writes files by their path in the folder, whose own folders are made. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
