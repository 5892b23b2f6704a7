import { basename, dirname, extname, join } from "node:path";
import type { Memento } from "vscode";
import type { TrainMethod } from "../protocol/reports";
import type { ChosenModel } from "./modelFile";

/** What was chosen for a model before, to be offered first the next time. Paths are absolute. */
export interface Remembered {
  /** Where its adapter_config.json is kept. */
  readonly adapterFolder?: string;
  readonly weights?: string;
  readonly data?: string;
  readonly label?: string;
  readonly method?: TrainMethod;
}

export class Memory {
  constructor(private readonly memento: Memento) {}

  of(model: ChosenModel): Remembered {
    return this.memento.get<Remembered>(keyOf(model), {});
  }

  async add(model: ChosenModel, remembered: Remembered): Promise<void> {
    await this.memento.update(keyOf(model), { ...this.of(model), ...remembered });
  }

  adapterFolder(model: ChosenModel): string {
    return this.of(model).adapterFolder ?? defaultAdapterFolder(model);
  }
}

/** `net-lora` beside `net.py`. */
export function defaultAdapterFolder({ file }: ChosenModel): string {
  return join(dirname(file), `${basename(file, extname(file))}-lora`);
}

function keyOf({ file, class: className }: ChosenModel): string {
  return `model:${file}#${className}`;
}
