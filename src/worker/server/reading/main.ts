import { parentPort } from "node:worker_threads";
import type { ConfigurationsResult } from "../../../protocol/messages";
import { UserError } from "../../formats/errors";
import { type FileShapes, shapesOf } from "../../language/fileShapes";
import type { Reading } from "../../language/layers";
import { defaultTargets } from "../../lora/targets/defaults";
import { parseInput } from "../../readers/givenInputs";
import { ReaderMemory } from "../../readers/memory";
import type { ModelFile, Problem, ReadOptions } from "../../readers/model";
import { chooseModel, openModelFile } from "../../readers/open";
import { findEnvironment } from "../../readers/python/imports/find";
import { placeOf, summarize } from "../../readers/summary";
import { toJobError } from "../failure";
import { inject } from "../inject";
import { FROM_SETTINGS, type ReadChoice } from "./readingChoices";
import type { ReadingCommand, ReadingReply } from "./readingProtocol";

/** Entry of the thread that reads model files, so that the server's own thread always answers. */

/** Reads files one after the other. */
class Readings {
  /** For as long as the thread lives: a keystroke costs what it changes, and a file is read again when it has changed. */
  private readonly memory = new ReaderMemory();
  /** The reading that shapes are wanted of is nearly always the last. */
  private last: { readonly key: ReadingKey; readonly opened: ModelFile } | undefined;

  async answer(command: ReadingCommand): Promise<ReadingReply> {
    try {
      switch (command.type) {
        case "read":
          return { ok: true, value: await this.read(command) };
        case "shapes":
          return { ok: true, value: await this.shapes(command) };
        case "configurations":
          return { ok: true, value: await this.configurations(command) };
        case "environment":
          return { ok: true, value: findEnvironment(command.candidates) };
        case "inject":
          return { ok: true, value: await inject(command.params, this.memory) };
      }
    } catch (error) {
      return { ok: false, error: toJobError(error) };
    }
  }

  private async read(command: ReadingCommand & { type: "read" }): Promise<Reading> {
    const { cancel, fresh = false } = command;
    const options = { cancel: new Int32Array(cancel), open: true, fresh };
    const opened = await this.openWith(command, options);
    this.last = { key: keyOf(command), opened };
    const { dependencies = [], searched } = opened;
    const found = { summary: summarize(opened), defaultTargets: targetsOf(opened), dependencies };
    return { ...found, ...(searched && { searched }) };
  }

  /** Reads the file; its models are traced with the inputs that the settings give them. */
  private async openWith(
    command: { readonly file: string; readonly text: string } & ReadChoice,
    options: Partial<ReadOptions> = {},
  ): Promise<ModelFile> {
    const { inputShapes = {}, ...choice } = choiceOf(command);
    const { memory } = this;
    const opened = await openModelFile(command.file, command.text, { ...choice, ...options, memory });
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

  private lastOf(command: { readonly file: string; readonly text: string } & ReadChoice): ModelFile | undefined {
    const { file, text, choice } = keyOf(command);
    const { key, opened } = this.last ?? {};
    return key?.file === file && key.text === text && key.choice === choice ? opened : undefined;
  }

  private async shapes(command: ReadingCommand & { type: "shapes" }): Promise<FileShapes> {
    const flag = new Int32Array(command.cancel);
    const opened = this.lastOf(command) ?? (await this.openWith(command, { cancel: flag, open: true }));
    return shapesOf(opened, () => Atomics.load(flag, 0) !== 0);
  }

  private async configurations(command: ReadingCommand & { type: "configurations" }): Promise<ConfigurationsResult> {
    const opened = this.lastOf(command) ?? (await this.openWith(command));
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
}

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

/** Layers known to be only read without a trace. */
function targetsOf({ models }: ModelFile): Map<string, readonly string[]> {
  return new Map(
    models.map((model) => [model.className, defaultTargets(model, undefined).layers.map(({ path }) => path)]),
  );
}

const port = parentPort;
if (!port) throw new Error("this file is the entry of a worker thread and cannot be run on its own");
const readings = new Readings();
port.on("message", (command: ReadingCommand) => {
  void readings.answer(command).then((reply) => port.postMessage(reply));
});
