import { parentPort } from "node:worker_threads";
import type { ConfigurationsResult } from "../../protocol/messages";
import type { Reading } from "../language/layers";
import { type FileShapes, shapesOf } from "../language/shapes";
import { defaultTargets } from "../lora/defaults";
import type { ModelFile } from "../readers/model";
import { chooseModel, openModelFile } from "../readers/open";
import { findEnvironment } from "../readers/python/environment/find";
import { placeOf, summarize } from "../readers/summary";
import { toJobError } from "./failure";
import { inject } from "./inject";
import type { ReadChoice } from "./readingChoices";
import type { ReadingCommand, ReadingReply } from "./readingProtocol";

/** Entry of the thread that reads model files, so that the server's own thread always answers. */

async function read(command: ReadingCommand & { type: "read" }): Promise<Reading> {
  const { file, text, cancel, anew = false } = command;
  const options = { ...choiceOf(command), cancel: new Int32Array(cancel), open: true, anew };
  const opened = await openModelFile(file, text, options);
  last = { key: keyOf(command), opened };
  const { dependencies = [], searched } = opened;
  const found = { summary: summarize(opened), defaultTargets: targetsOf(opened), dependencies };
  return { ...found, ...(searched && { searched }) };
}

/** The reading that shapes are wanted of is nearly always the last. */
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

function choiceOf({ packages, configuration }: ReadChoice): ReadChoice {
  return { ...(packages && { packages }), ...(configuration && { configuration }) };
}

function lastOf(command: { readonly file: string; readonly text: string } & ReadChoice): ModelFile | undefined {
  const { file, text, choice } = keyOf(command);
  const { key, opened } = last ?? {};
  return key?.file === file && key.text === text && key.choice === choice ? opened : undefined;
}

async function shapes(command: ReadingCommand & { type: "shapes" }): Promise<FileShapes> {
  const { file, text, cancel } = command;
  const flag = new Int32Array(cancel);
  const opened =
    lastOf(command) ?? (await openModelFile(file, text, { ...choiceOf(command), cancel: flag, open: true }));
  return shapesOf(opened, text, () => Atomics.load(flag, 0) !== 0);
}

async function configurations(command: ReadingCommand & { type: "configurations" }): Promise<ConfigurationsResult> {
  const opened = lastOf(command) ?? (await openModelFile(command.file, command.text, choiceOf(command)));
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

/** As far as reading tells without a trace. */
function targetsOf({ models }: ModelFile): Map<string, readonly string[]> {
  return new Map(
    models.map((model) => [model.className, defaultTargets(model, undefined).layers.map(({ path }) => path)]),
  );
}

const port = parentPort;
if (!port) throw new Error("readingThread is the entry of a worker thread and cannot be run by itself");
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
