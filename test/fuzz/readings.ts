import assert from "node:assert/strict";
import { UserError } from "../../src/worker/formats/errors";
import { codeLenses } from "../../src/worker/language/codeLens";
import { diagnostics } from "../../src/worker/language/diagnostics";
import { shapesOf } from "../../src/worker/language/fileShapes";
import { hover } from "../../src/worker/language/hover";
import { inlayHints } from "../../src/worker/language/inlayHints";
import { outputHead, targetableLayers } from "../../src/worker/lora/targets/targets";
import type { Model, ModelFile } from "../../src/worker/readers/model";
import { summarize } from "../../src/worker/readers/summary";

/** All that the editor and the jobs ask of a file that was read. What throws is a finding, but for a UserError. */

/** Larger models are not filled with values: their size is the file's own and is told before anything is allocated. */
const MAX_FILLED = 100_000;
const SETTINGS = { rank: 8, alpha: 16 };

export function ask(opened: ModelFile): void {
  noDefects(opened.problems.map(({ message }) => message));
  const summary = summarize(opened);
  const defaultTargets = new Map(
    opened.models.map((model) => {
      const head = outputHead(model);
      return [model.className, targetableLayers(model).flatMap((l) => (l === head ? [] : [l.path]))];
    }),
  );
  const reading = { summary, defaultTargets };
  codeLenses("file:///model", reading, SETTINGS);
  diagnostics(summary);
  for (const { line, column } of summary.models.flatMap((m) => [m.place, ...m.layers.map((l) => l.place)]).slice(0, 50))
    hover(reading, { line: line - 1, character: column - 1 }, SETTINGS);
  const shapes = shapesOf(opened);
  noDefects(shapes.problems.map(({ message }) => message));
  inlayHints(shapes, { start: { line: 0, character: 0 }, end: { line: 1e9, character: 0 } });
  for (const model of opened.models) used(model);
}

function used(model: Model): void {
  orRefused(() => noDefects(model.trace().problems.map(({ message }) => message)));
  orRefused(() => model.configurations?.());
  const sizes = model.stateDict.map(({ shape }) => shape.reduce<number>((n, dim) => n * (dim ?? Number.NaN), 1));
  if (sizes.reduce((sum, n) => sum + n, 0) < MAX_FILLED) orRefused(() => model.initialize(0));
}

export function orRefused(body: () => void): void {
  try {
    body();
  } catch (error) {
    refusal(error);
  }
}

/** The message of a refusal; what is not one goes on. */
export function refusal(error: unknown): string {
  if (!(error instanceof UserError)) throw error;
  noDefects([error.message]);
  return error.message;
}

function noDefects(messages: readonly string[]): void {
  const defect = messages.find((message) => message.includes("defect of LoRA Lens"));
  assert.equal(defect, undefined);
}
