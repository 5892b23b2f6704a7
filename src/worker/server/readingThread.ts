import { parentPort } from "node:worker_threads";
import type { Reading } from "../language/layers";
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
  return { summary: summarize(opened), defaultTargets: defaultTargets(opened) };
}

function defaultTargets(file: ModelFile): Map<string, readonly string[]> {
  return new Map(file.models.map((model) => [model.className, targetPaths(model)]));
}

function targetPaths(model: Model): string[] {
  const layers = targetableLayers(model);
  const head = outputHead(layers);
  return layers.filter((layer) => layer !== head).map((layer) => layer.path);
}

const port = parentPort;
if (!port) throw new Error("readingThread is the entry of a worker thread and cannot be run by itself");
port.on("message", (command: ReadingCommand) => {
  void answer(command).then((reply) => port.postMessage(reply));
});

async function answer(command: ReadingCommand): Promise<ReadingReply> {
  try {
    return { ok: true, value: command.type === "read" ? await read(command) : await inject(command.params) };
  } catch (error) {
    return { ok: false, error: toJobError(error) };
  }
}
