import type { ModelFormat } from "../../../protocol/commands";
import type { ParameterValue } from "../../engines/engine";

/** A weights file of any kind, under the keys that it has itself. */
export interface WeightsFile {
  /** The file, or the index of shards. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, ParameterValue>;
  /** In words: the file, and where in it the state dict is. */
  readonly from: string;
  /** Metadata of a safetensors file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A format of weights files. A row of `registry.ts`; menus, file dialogs and the command line's help are drawn from it. */
export interface WeightFormat {
  /** For people. */
  readonly name: string;
  /** Endings of its files' names, the usual first. */
  readonly endings: readonly string[];
  /** Further endings that are not listed in dialogs because other files have them, too. */
  readonly rareEndings?: readonly string[];
  /** The ending of the name of an index, which lists the shard of each tensor. */
  readonly indexEndings: readonly string[];
  /** File names of a folder's weights, the preferred first. */
  readonly usualNames: readonly string[];
  /** The formats of the models whose weights it usually has. */
  readonly models: readonly ModelFormat[];
  /**
   * Opens a file or an index. Without it the model's own reader does, which knows what its layers call their weights
   * (`Model.readWeights`).
   */
  open?(file: string): Promise<WeightsFile>;
}
