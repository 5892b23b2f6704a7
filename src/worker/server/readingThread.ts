import { parentPort } from "node:worker_threads";
import type { Reading } from "../language/layers";
import { type FileShapes, shapesOf } from "../language/shapes";
import { outputHead, targetableLayers } from "../lora/targets";
import type { Model, ModelFile } from "../readers/model";
import { openModelFile } from "../readers/open";
import { summarize } from "../readers/summary";
import { toJobError } from "./failure";
import { inject } from "./inject";
import type { ReadingCommand, ReadingReply } from "./readingProtocol";

/** Entry of the thread that reads model files, so that the server's own thread always answers. */

async function read({ file, text, cancel }: ReadingCommand & { type: "read" }): Promise<Reading> {
  const opened = await openModelFile(file, text, { cancel: new Int32Array(cancel) });
  last = { file, text, opened };
  return { summary: summarize(opened), defaultTargets: defaultTargets(opened) };
}

/** The reading that shapes are wanted of is nearly always the last. */
let last: { readonly file: string; readonly text: string; readonly opened: ModelFile } | undefined;

async function shapes({ file, text, cancel }: ReadingCommand & { type: "shapes" }): Promise<FileShapes> {
  const same = last?.file === file && last.text === text ? last.opened : undefined;
  return shapesOf(same ?? (await openModelFile(file, text, { cancel: new Int32Array(cancel) })), text);
}

function defaultTargets(file: ModelFile): Map<string, readonly string[]> {
  return new Map(file.models.map((model) => [model.className, targetPaths(model)]));
}

function targetPaths(model: Model): string[] {
  const layers = targetableLayers(model);
  const head = outputHead(model);
  return layers.filter((layer) => layer !== head).map((layer) => layer.path);
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
      case "inject":
        return { ok: true, value: await inject(command.params) };
    }
  } catch (error) {
    return { ok: false, error: toJobError(error) };
  }
}
