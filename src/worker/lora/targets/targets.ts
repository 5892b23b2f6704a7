import { runInNewContext } from "node:vm";
import { UserError } from "../../formats/errors";
import { lineText } from "../../graph/node";
import { type Model, type ModuleInfo, walkModules } from "../../readers/model";
import { PatternError, pythonRegExp } from "../../text/pythonRegExp";
import type { LoraConfig } from "../config/config";
import type { CostedLayer } from "../variants/costs";
import { VARIANTS } from "../variants/registry";

/** A layer of known size that a variant can adapt. */
export type TargetableLayer = ModuleInfo & CostedLayer;

/** The model's linear layers whose features are known, in registration order. */
export function targetableLayers(model: Pick<Model, "root">): TargetableLayer[] {
  const layers: TargetableLayer[] = [];
  for (const module of walkModules(model.root)) if (isTargetable(module)) layers.push(module);
  return layers;
}

export function isTargetable(module: ModuleInfo): module is TargetableLayer {
  return (
    isAdaptable(module) &&
    module.inFeatures !== undefined &&
    module.outFeatures !== undefined &&
    module.bias !== undefined
  );
}

/** A variant adapts such a module, when its size is known. */
function isAdaptable(module: ModuleInfo): boolean {
  return VARIANTS.some((variant) => variant.adapts(module));
}

/** The parts of a model that decide which layers a configuration targets. */
export type Targeted = Pick<Model, "root" | "className" | "pretrained">;

/**
 * The layers the configuration targets, matched as PEFT matches them: a list entry equals the path or a suffix of it at
 * a dot; a string is a regular expression for the whole path; "all-linear" is every linear layer, but for the output
 * embeddings of a model of transformers. Throws a UserError when nothing matches, naming the candidates, and when a
 * module matches that cannot be adapted here: PEFT would adapt it, or refuse.
 */
export function matchTargets(model: Targeted, config: LoraConfig): TargetableLayer[] {
  const modules = [...walkModules(model.root)].filter(({ path }) => path !== "");
  const paths = modules.map(({ path }) => path);
  const { target_modules: wantedModules, exclude_modules: excludedModules } = config;
  const wanted = isAllLinear(wantedModules) ? allLinear(model, modules, config) : selector(wantedModules, paths);
  const excluded = excludedModules === null ? () => false : selector(excludedModules, paths);
  const matched = modules.filter(({ path }) => wanted(path) && !excluded(path));
  const others = matched.filter((module) => !isTargetable(module));
  if (matched.length === 0) throw new UserError(nothingMatched(model, config, modules));
  // Keras has no PEFT: there an expression such as ".*" means the layers that can be adapted.
  const selects = typeof wantedModules === "string" && !modules.some(({ marked }) => marked);
  if (others.length > 0 && !(selects && others.length < matched.length)) throw cannotAdapt(model, others);
  return matched.filter(isTargetable);
}

/** As PEFT reads it, whatever its case. */
export function isAllLinear(spec: readonly string[] | string): boolean {
  return typeof spec === "string" && spec.toLowerCase() === "all-linear";
}

/** Names of the list, of target or excluded modules, that choose no module: nearly always typing mistakes. */
export function unmatchedNames(model: Pick<Model, "root">, names: readonly string[]): string[] {
  const paths = [...walkModules(model.root)].map(({ path }) => path).filter((path) => path !== "");
  return names.filter((name) => !paths.some((path) => matchesSuffix(path, [name])));
}

/** Whether a path is chosen by a list of names or path suffixes. Never by substring: `key` is not `monkey_bars`. */
export function matchesSuffix(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

function selector(spec: readonly string[] | string, paths: readonly string[]): (path: string) => boolean {
  if (typeof spec !== "string") return (path) => matchesSuffix(path, spec);
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
      throw new UserError(`target modules "${spec}" is not a valid Python regular expression: ${error.message}`);
    }
    throw new UserError(
      `target modules "${spec}" is a regular expression with ${(error as Error).message}, which LoRA Lens does not support; write it without, or list the names`,
    );
  }
}

/** All of a model's paths take less than a millisecond, unless the pattern tries every way to split them. */
const MATCH_MS = 1000;

/**
 * An expression such as `(a+)+b` comes with the adapter's file, and may take forever to match; run like this, it can be
 * stopped.
 */
function matching(pattern: RegExp, paths: readonly string[], spec: string): readonly string[] {
  try {
    return runInNewContext("paths.filter((path) => pattern.test(path))", { paths, pattern }, { timeout: MATCH_MS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new UserError(
      `target modules "${spec}" is a regular expression that takes longer than ${MATCH_MS / 1000} s to match; write it without nested repetitions, or list the names`,
    );
  }
}

/** Heads that PEFT leaves out of "all-linear" when a model of transformers classifies sequences. */
const CLASSIFIERS = ["score", "classifier"];

/** PEFT's `_maybe_include_all_linear_layers`: only of a model of transformers does it leave a head out. */
function allLinear(
  { className, pretrained, root }: Targeted,
  modules: readonly ModuleInfo[],
  { task_type: task }: LoraConfig,
): (path: string) => boolean {
  if (pretrained?.unknown !== undefined) {
    throw new UserError(
      `"all-linear" leaves out the layer that get_output_embeddings() of ${className} returns, which is unknown: ${pretrained.unknown}; list the target modules by name`,
    );
  }
  let left = pretrained?.outputEmbeddings;
  if (pretrained && left === undefined && task === "SEQ_CLS") {
    left = CLASSIFIERS.find((name) => root.children.some(({ path }) => path === name));
  }
  const linear = new Set(modules.filter(isLinear).map(({ path }) => path));
  return (path) => linear.has(path) && path !== left;
}

/** A layer that multiplies its input with a weight: torch's Linear and its like. */
export function isLinear(module: ModuleInfo): boolean {
  return module.kind === "Linear" || module.weight !== undefined || module.marked === true;
}

/** The modules of torch.nn that PEFT has adapters for, besides linear layers. */
const ADAPTED_BY_PEFT: ReadonlySet<string> = new Set(["Embedding", "Conv1d", "Conv2d", "Conv3d", "MultiheadAttention"]);
/** A pattern may match hundreds of modules; a message names this many. */
const NAMED = 4;

function cannotAdapt({ className }: Targeted, others: readonly ModuleInfo[]): UserError {
  const named = others.slice(0, NAMED).map(({ path, kind, place }) => `${path} (${kind}, ${lineText(place)})`);
  const more = others.length > NAMED ? ` and ${others.length - NAMED} more` : "";
  const why = new Set(others.map(whyNot));
  const first = others[0]!.place;
  return new UserError(
    `the target modules select ${named.join(", ")}${more} of ${className}: ${[...why].join("; ")}. Leave ${others.length === 1 ? "it" : "them"} out: name only the linear layers, or list the others as excluded modules`,
    { file: first.file, line: first.line, cell: first.cell },
  );
}

function whyNot(module: ModuleInfo): string {
  const { kind, base = kind } = module;
  if (isAdaptable(module)) return `the size of ${module.path} is unknown`;
  if (ADAPTED_BY_PEFT.has(base)) return `PEFT adapts ${base}, but LoRA Lens does not yet`;
  if (!isLinear(module)) return `PEFT has no adapter for ${kind}`;
  return `the weight of ${kind} is computed from others, so an adapter on it is not supported`;
}

/**
 * The output head, which maps to classes or the vocabulary: the output embeddings of a model of transformers, else the
 * last linear layer by registration. A model with a single linear layer has no separate head, and neither has a class
 * that is only part of another, such as an attention block.
 */
export function outputHead(
  model: Pick<Model, "root" | "part" | "pretrained">,
  modules: Iterable<ModuleInfo> = walkModules(model.root),
): TargetableLayer | undefined {
  // A layer of unknown size may be the head; it cannot be a target anyway.
  const layers = [...modules].filter((module) => isLinear(module) && !module.neverCalled);
  if (layers.length <= 1 || model.part) return undefined;
  const embeddings = model.pretrained?.outputEmbeddings;
  const head = layers.find(({ path }) => path === embeddings) ?? layers.at(-1);
  return head && isTargetable(head) ? head : undefined;
}

function nothingMatched({ className, root }: Targeted, config: LoraConfig, modules: readonly ModuleInfo[]): string {
  const layers = modules.filter(isTargetable);
  if (layers.length === 0) return `${className} has no Linear layer whose size is known, so there is nothing to adapt`;
  const { target_modules: wanted, exclude_modules: excluded } = config;
  const asked = typeof wanted === "string" ? wanted : wanted.join(", ");
  const alias = typeof wanted === "string" ? undefined : aliasOf(root, wanted);
  if (alias)
    return `${alias.name} of ${className} is another name of ${alias.path}, and PEFT knows only that one; use it in the target modules`;
  const names = [...new Set(layers.map((layer) => layer.path.split(".").at(-1)!))];
  const but = excluded === null || excluded.length === 0 ? "" : " that is not excluded";
  return `target modules "${asked}" match no layer${but} of ${className}; its Linear layers are ${names.slice(0, 12).join(", ")}${names.length > 12 ? ", …" : ""}`;
}

function aliasOf(root: ModuleInfo, names: readonly string[]): { name: string; path: string } | undefined {
  for (const { path, aliases = [] } of walkModules(root)) {
    const name = aliases.find((alias) => matchesSuffix(alias, names));
    if (name !== undefined) return { name, path };
  }
  return undefined;
}
