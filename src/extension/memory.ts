import { basename, dirname, extname, join } from "node:path";
import { EventEmitter, type Memento } from "vscode";
import type { ConfigurationChoice } from "../protocol/jobs";
import type { AdapterPlace } from "../protocol/messages";
import type { TrainMethod } from "../protocol/training";

/** What a model is remembered by. */
export interface RememberedModel {
  /** Absolute path. */
  readonly file: string;
  readonly class: string;
}

/** What was chosen for a model before, to be offered first the next time. Paths are absolute. */
export interface Remembered {
  /** Where its adapter_config.json is kept. */
  readonly adapterFolder?: string;
  readonly weights?: string;
  readonly data?: string;
  readonly label?: string;
  readonly method?: TrainMethod;
  /** Ranks of the last sweep, and where its results are. */
  readonly ranks?: readonly number[];
  readonly sweepFolder?: string;
}

/** Before the path of a file, in the keys of the configurations chosen for its models. */
const CONFIGURATION = "configuration:";
/** Before the path of a file and the class, in the keys of what was chosen for models. */
const MODEL = "model:";

export class Memory {
  private readonly configurationEmitter = new EventEmitter<void>();

  /** A configuration was chosen for some file. */
  readonly onConfiguration = this.configurationEmitter.event;

  private readonly adapterEmitter = new EventEmitter<void>();

  /** An adapter's folder or base weights were chosen for some model. */
  readonly onAdapter = this.adapterEmitter.event;

  constructor(private readonly memento: Memento) {}

  /** The chosen source of the file's configuration. */
  configuration(file: string): ConfigurationChoice | undefined {
    return this.memento.get<ConfigurationChoice>(CONFIGURATION + file);
  }

  /** By the files' paths. */
  configurations(): Record<string, ConfigurationChoice> {
    const chosen = this.memento.keys().flatMap((key): [string, ConfigurationChoice][] => {
      const file = key.startsWith(CONFIGURATION) ? key.slice(CONFIGURATION.length) : undefined;
      const choice = file === undefined ? undefined : this.configuration(file);
      return choice === undefined ? [] : [[file!, choice]];
    });
    return Object.fromEntries(chosen);
  }

  /** Without a choice the first source that there is counts again. */
  async chooseConfiguration(file: string, choice: ConfigurationChoice | undefined): Promise<void> {
    await this.memento.update(CONFIGURATION + file, choice);
    this.configurationEmitter.fire();
  }

  of(model: RememberedModel): Remembered {
    return this.memento.get<Remembered>(keyOf(model), {});
  }

  async add(model: RememberedModel, remembered: Remembered): Promise<void> {
    const before = this.of(model);
    const now = { ...before, ...remembered };
    await this.memento.update(keyOf(model), now);
    if (now.adapterFolder !== before.adapterFolder || now.weights !== before.weights) this.adapterEmitter.fire();
  }

  /** By the models' files and classes, `net.py#Net`. */
  adapters(): Record<string, AdapterPlace> {
    const keys = this.memento.keys().filter((key) => key.startsWith(MODEL));
    return Object.fromEntries(
      keys.map((key): [string, AdapterPlace] => {
        const { adapterFolder: folder, weights } = this.memento.get<Remembered>(key, {});
        return [key.slice(MODEL.length), { ...(folder && { folder }), ...(weights && { weights }) }];
      }),
    );
  }

  adapterFolder(model: RememberedModel): string {
    return this.of(model).adapterFolder ?? defaultAdapterFolder(model);
  }
}

/** `net-lora` beside `net.py`. */
export function defaultAdapterFolder({ file }: RememberedModel): string {
  return join(dirname(file), `${basename(file, extname(file))}-lora`);
}

function keyOf({ file, class: className }: RememberedModel): string {
  return `${MODEL}${file}#${className}`;
}
