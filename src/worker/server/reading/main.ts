import { parentPort } from "node:worker_threads";
import type { ConfigurationsResult } from "../../../protocol/messages";
import { UserError } from "../../formats/errors";
import type { Reading } from "../../language/layers";
import { type FileShapes, shapesOf } from "../../language/shapes";
import { defaultTargets } from "../../lora/targets/defaults";
import { parseInput } from "../../readers/givenInputs";
import type { ModelFile, Problem, ReadOptions } from "../../readers/model";
import { chooseModel, openModelFile } from "../../readers/open";
import { findEnvironment } from "../../readers/python/imports/find";
import { placeOf, summarize } from "../../readers/summary";
import { toJobError } from "../failure";
import { inject } from "../inject";
import { FROM_SETTINGS, type ReadChoice } from "./readingChoices";
import type { ReadingCommand, ReadingReply } from "./readingProtocol";

/** Entry of the thread that reads model files, so that the server's own thread always answers. */

async function read(command: ReadingCommand & { type: "read" }): Promise<Reading> {
  const { cancel, fresh = false } = command;
  const options = { cancel: new Int32Array(cancel), open: true, fresh };
  const opened = await openWith(command, options);
  last = { key: keyOf(command), opened };
  const { dependencies = [], searched } = opened;
  const found = { summary: summarize(opened), defaultTargets: targetsOf(opened), dependencies };
  return { ...found, ...(searched && { searched }) };
}

/** Shapes are nearly always wanted for the last reading. */
let last: { readonly key: ReadingKey; readonly opened: ModelFile } | undefined;

/** What a reading depends on. */
interface ReadingKey {
  readonly file: string;
  readonly text: string;
  readonly choice: string;
}

function keyOf(command: { readonly file: string; readonly text: string } & ReadChoice): ReadingKey {
  return { file: command.file, text: command.text, choice: JSON.stringify(choiceOf(command)) };
}

function choiceOf({ packages, configuration, inputShapes }: ReadChoice): ReadChoice {
  return {
    ...(packages && { packages }),
    ...(configuration && { configuration }),
    ...(inputShapes && { inputShapes }),
  };
}

/** Reads the file; its models are traced with the inputs that the settings give them. */
async function openWith(
  command: { readonly file: string; readonly text: string } & ReadChoice,
  options: Partial<ReadOptions> = {},
): Promise<ModelFile> {
  const { inputShapes = {}, ...choice } = choiceOf(command);
  const opened = await openModelFile(command.file, command.text, { ...choice, ...options });
  const problems = opened.models.flatMap((model): Problem[] => {
    if (!Object.hasOwn(inputShapes, model.className)) return [];
    try {
      const inputs = Object.entries(inputShapes[model.className]!).map(([name, shape]) => parseInput(name, shape));
      model.useInputs({ inputs, from: FROM_SETTINGS });
      return [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return [{ place: model.place, severity: "error", message: `${FROM_SETTINGS}: ${error.message}` }];
    }
  });
  return problems.length === 0 ? opened : { ...opened, problems: [...opened.problems, ...problems] };
}

function lastOf(command: { readonly file: string; readonly text: string } & ReadChoice): ModelFile | undefined {
  const { file, text, choice } = keyOf(command);
  const { key, opened } = last ?? {};
  return key?.file === file && key.text === text && key.choice === choice ? opened : undefined;
}

async function shapes(command: ReadingCommand & { type: "shapes" }): Promise<FileShapes> {
  const flag = new Int32Array(command.cancel);
  const opened = lastOf(command) ?? (await openWith(command, { cancel: flag, open: true }));
  return shapesOf(opened, () => Atomics.load(flag, 0) !== 0);
}

async function configurations(command: ReadingCommand & { type: "configurations" }): Promise<ConfigurationsResult> {
  const opened = lastOf(command) ?? (await openWith(command));
  const model = chooseModel(opened, command.class);
  const options = (model.configurations?.() ?? []).map(({ choice, label, place, problem }) => ({
    choice,
    label,
    ...(place && { place: placeOf(place) }),
    ...(problem !== undefined && { problem }),
  }));
  return {
    options,
    takesConfiguration: options.length > 0 || model.lacksConfiguration === true || model.configuration !== undefined,
    used: model.configuration?.label ?? null,
  };
}

/** Layers known to be only read without a trace. */
function targetsOf({ models }: ModelFile): Map<string, readonly string[]> {
  return new Map(
    models.map((model) => [model.className, defaultTargets(model, undefined).layers.map(({ path }) => path)]),
  );
}

const port = parentPort;
if (!port) throw new Error("this file is the entry of a worker thread and cannot be run on its own");
port.on("message", (command: ReadingCommand) => {
  void answer(command).then((reply) => port.postMessage(reply));
});

async function answer(command: ReadingCommand): Promise<ReadingReply> {
  try {
    switch (command.type) {
      case "read":
        return { ok: true, value: await read(command) };
      case "shapes":
        return { ok: true, value: await shapes(command) };
      case "configurations":
        return { ok: true, value: await configurations(command) };
      case "environment":
        return { ok: true, value: findEnvironment(command.candidates) };
      case "inject":
        return { ok: true, value: await inject(command.params) };
    }
  } catch (error) {
    return { ok: false, error: toJobError(error) };
  }
}
