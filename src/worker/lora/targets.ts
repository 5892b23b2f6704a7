import { runInNewContext } from "node:vm";
import { UserError } from "../formats/errors";
import { PatternError, pythonRegExp } from "../formats/pythonRegExp";
import { type Model, type ModuleInfo, walkModules } from "../readers/model";
import type { LoraConfig } from "./config";

/** A linear layer with known features: what an adapter can be put on. */
export type TargetableLayer = ModuleInfo & {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
};

/** The model's linear layers whose features are known, in registration order. */
export function targetableLayers(model: Pick<Model, "root">): TargetableLayer[] {
  return [...walkModules(model.root)].filter(isTargetable);
}

function isTargetable(module: ModuleInfo): module is TargetableLayer {
  return (
    (module.kind === "Linear" || module.weight !== undefined) &&
    module.inFeatures !== undefined &&
    module.outFeatures !== undefined &&
    module.bias !== undefined
  );
}

/**
 * The layers the configuration targets, matched as PEFT matches them: a list entry equals the path or a suffix of it
 * at a dot; a string is a regular expression for the whole path; "all-linear" is every Linear but the output head.
 * Throws a UserError when nothing matches, naming what could be.
 */
export function matchTargets(model: Pick<Model, "root" | "className" | "part">, config: LoraConfig): TargetableLayer[] {
  const layers = targetableLayers(model);
  const paths = layers.map(({ path }) => path);
  const wanted = selector(config.target_modules, model, paths);
  const excluded = config.exclude_modules === null ? () => false : selector(config.exclude_modules, model, paths);
  const matched = layers.filter((layer) => wanted(layer.path) && !excluded(layer.path));
  if (matched.length === 0) throw new UserError(nothingMatched(model, config, layers));
  return matched;
}

/** Whether a path is chosen by a list of names or path suffixes. Never by substring: `key` is not `monkey_bars`. */
export function matchesSuffix(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

function selector(
  spec: readonly string[] | string,
  model: Pick<Model, "root" | "part">,
  paths: readonly string[],
): (path: string) => boolean {
  if (typeof spec !== "string") return (path) => matchesSuffix(path, spec);
  if (spec === "all-linear") {
    const head = outputHead(model);
    return (path) => path !== head?.path;
  }
  const pattern = wholePattern(spec);
  const matched = new Set(matching(pattern, paths, spec));
  return (path) => matched.has(path);
}

/** What Python's `re.fullmatch` takes, as PEFT calls it. */
function wholePattern(spec: string): RegExp {
  try {
    const { source, flags } = pythonRegExp(spec);
    return new RegExp(`^(?:${source})$`, flags);
  } catch (error) {
    if (error instanceof PatternError && error.invalid) {
      throw new UserError(`target modules "${spec}" is not a regular expression of Python's: ${error.message}`);
    }
    throw new UserError(
      `target modules "${spec}" is a regular expression that cannot be matched here, because it has ${(error as Error).message}; write it without, or list the names`,
    );
  }
}

/** All of a model's paths take less than a millisecond, unless the pattern tries every way to split them. */
const MATCH_MS = 1000;

/** An expression such as `(a+)+b` comes with the adapter's file, may need longer than anybody waits, and can be stopped so. */
function matching(pattern: RegExp, paths: readonly string[], spec: string): readonly string[] {
  try {
    return runInNewContext("paths.filter((path) => pattern.test(path))", { paths, pattern }, { timeout: MATCH_MS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new UserError(
      `target modules "${spec}" is a regular expression that takes longer than ${MATCH_MS / 1000} s to match; write it without repetitions within repetitions, or list the names`,
    );
  }
}

/**
 * The last Linear by registration: what maps to classes or the vocabulary. A model of one Linear has no head apart, and
 * neither has a class that is only a part of another, such as an attention block.
 */
export function outputHead(model: Pick<Model, "root" | "part">): TargetableLayer | undefined {
  const layers = targetableLayers(model);
  return layers.length > 1 && !model.part ? layers.at(-1) : undefined;
}

function nothingMatched(
  model: Pick<Model, "className">,
  config: LoraConfig,
  layers: readonly TargetableLayer[],
): string {
  if (layers.length === 0)
    return `${model.className} has no Linear layer whose size is known, so there is nothing to adapt`;
  const asked = typeof config.target_modules === "string" ? config.target_modules : config.target_modules.join(", ");
  const names = [...new Set(layers.map((layer) => layer.path.split(".").at(-1)!))];
  return `target modules "${asked}" match no layer of ${model.className}; its Linear layers are ${names.slice(0, 12).join(", ")}${names.length > 12 ? ", …" : ""}`;
}
