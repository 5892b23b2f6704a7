import { ReaderMemory } from "../../memory";
import { RandomNumbers } from "../libraries/torch/random/draws";
import type { FunctionStmt } from "../syntax/ast";
import { itself } from "./equality";
import type { Value } from "./values";

/** What `@hydra.main(config_path=..., config_name=...)` says of a function. */
export interface HydraMain {
  /** The folder of its configurations. */
  readonly folder: string;
  readonly name: string;
}

/** What the code has hydra do. */
class Hydra {
  /** Functions that hydra starts with a composed configuration. */
  readonly mains = new Map<FunctionStmt, HydraMain>();
  /** The configurations that it gives them. */
  readonly composed = new Map<FunctionStmt, Value>();
  /** The folder that `hydra.initialize()` names, for `hydra.compose()` after it. */
  initialized: string | undefined;
}

/** Of the configurations' texts that code read last: the file, for whoever parses one. */
class Texts {
  private readonly files = new Map<string, string>();

  set(text: string, file: string): void {
    if (this.files.size > 50) this.files.clear();
    this.files.set(text, file);
  }

  get(text: string): string {
    return this.files.get(text) ?? "";
  }
}

/** What one reading keeps for itself, its traces included: two readings of one process see nothing of each other's. */
export class ReadingSession {
  constructor(readonly memory = new ReaderMemory()) {}

  readonly random = new RandomNumbers();
  readonly hydra = new Hydra();
  readonly texts = new Texts();
  /** Functions that code registered with OmegaConf, by name. */
  readonly resolvers = new Map<string, Value>();
  /** What stands for names of transformers that are not evaluated. */
  readonly stubs = new Map<string, Value>();
  /** How often the statements of compiled loops, or a whole comprehension, were left to the evaluator. */
  readonly leftPlain = new Map<object, number[]>();
  private readonly ids = new WeakMap<object, number>();
  private numbered = 0;

  /** Python's id(): a number that stands for the object itself. */
  idOf(given: Extract<Value, object>): number {
    const value = itself(given);
    const id = this.ids.get(value) ?? ++this.numbered;
    this.ids.set(value, id);
    return id;
  }
}
