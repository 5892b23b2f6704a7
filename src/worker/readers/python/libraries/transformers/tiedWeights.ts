import { type Template, templateOf } from "../../evaluate/repeated/template";
import { LimitError } from "../../evaluate/scope";
import { typesWithin } from "../../models/parts";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { nativeOfUnknown } from "../../values/native";
import { patternOf, textFor } from "../../values/regularExpressions";
import { type PyClass, PyDict, PyError, PyObject, PyTensor, type Value } from "../../values/values";

/**
 * `PreTrainedModel.post_init`: ties the weights that the class lists, where the configuration says that word embeddings
 * are tied. `{"lm_head.weight": "model.embed_tokens.weight"}` names one of each; `{"decoder.bbox_embed": "bbox_embed"}`
 * and patterns stand for all parameters and buffers whose paths begin so. The modules stay two.
 */
export const POST_INIT = nativeOfUnknown("post_init", "self", ({ self }, ev) => {
  if (self instanceof PyObject && findMember(self.type, "_tie_or_clone_weights")) {
    tieByMethod(ev, self);
    return null;
  }
  const config = ev.tryAttribute(self!, "config");
  if (config === undefined || ev.tryAttribute(config, "tie_word_embeddings") !== true) return null;
  const keys = ev.tryAttribute(self!, "_tied_weights_keys");
  if (!(keys instanceof PyDict) || !(self instanceof PyObject)) return null;
  const pairs = [...keys.entries.values()].filter(
    (entry): entry is { key: string; value: string } =>
      typeof entry.key === "string" && typeof entry.value === "string",
  );
  if (pairs.every(({ key, value }) => isPath(key) && isPath(value))) {
    for (const { key, value } of pairs) tie(ev, self, key, value);
    return null;
  }
  const paths = [...tensorPaths(self)].sort();
  const sourceOf = new Map<string, string>();
  for (const { key, value } of pairs) {
    const [targets, sources] = [key, value].map((pattern) => matching(pattern, paths)) as [string[], string[]];
    if (targets.length === 0 || sources.length === 0 || targets.length % sources.length !== 0) {
      throw new PyError("ValueError", `_tied_weights_keys: ${key} and ${value} match different numbers of weights`);
    }
    targets.forEach((target, i) => {
      const source = sources[i % sources.length]!;
      sourceOf.set(target, sourceOf.get(source) ?? source);
    });
  }
  for (const [target, source] of sourceOf) tie(ev, self, target, source);
  return null;
});

/** transformers 4 ties by a method, which some models have their own of. */
function tieByMethod(ev: Evaluator, model: PyObject): void {
  const restore = ev.mark();
  try {
    ev.call(ev.getAttribute(model, "tie_weights"), []);
  } catch (error) {
    const known = ev.understood(error);
    if (known instanceof LimitError) throw known;
    restore();
    ev.problem(`the tied weights of ${model.type.name} are not known: ${known.message}`);
  }
}

export const INIT_WEIGHTS = nativeOfUnknown("init_weights", "self", ({ self }, ev) => {
  if (self instanceof PyObject) tieByMethod(ev, self);
  return null;
});

/** What it calls of each module: the first of those that are models. */
const TYING = ["tie_embeddings_and_encoder_decoder", "_tie_weights"];

/** `PreTrainedModel.tie_weights` of transformers 4, which goes through all modules. */
export const TIE_WEIGHTS = nativeOfUnknown("tie_weights", "self", ({ self }, ev) => {
  if (!(self instanceof PyObject)) return null;
  for (const module of [...tyingModules(self)]) {
    for (const name of TYING) if (findMember(module.type, name)) ev.call(ev.getAttribute(module, name), []);
  }
  return null;
});

/** Copies that nobody has looked into are looked into where there is something to tie. */
function* tyingModules(root: PyObject, seen = new Map<PyObject | Template, boolean>()): Generator<PyObject> {
  if (seen.has(root)) return;
  seen.set(root, true);
  const template = templateOf(root);
  if (template) {
    const ties = seen.get(template) ?? [root.type, ...typesWithin(template.original)].some(hasTying);
    seen.set(template, ties);
    if (!ties) return;
  }
  if (hasTying(root.type)) yield root;
  for (const child of root.module?.modules.values() ?? []) if (child) yield* tyingModules(child, seen);
}

function hasTying(type: PyClass): boolean {
  return TYING.some((name) => findMember(type, name));
}

function isPath(text: string): boolean {
  return /^[\w.]+\.(weight|bias)$/.test(text);
}

function matching(pattern: string, paths: readonly string[]): string[] {
  const expression = patternOf(`^(?:${pattern})`);
  return paths.filter((path) => textFor(path).search(expression) >= 0);
}

/** Of every parameter and buffer, each of its paths. */
function* tensorPaths(root: PyObject, prefix = ""): Generator<string> {
  const { module } = root;
  if (!module) return;
  for (const [name, tensor] of module.parameters) if (tensor) yield prefix + name;
  for (const [name, { tensor }] of module.buffers) if (tensor) yield prefix + name;
  for (const [name, child] of module.modules) if (child) yield* tensorPaths(child, `${prefix}${name}.`);
}

function tie(ev: Evaluator, model: PyObject, target: string, source: string): void {
  const at = (path: readonly string[]): Value | undefined =>
    path.reduce<Value | undefined>((o, name) => (o === undefined ? undefined : ev.tryAttribute(o, name)), model);
  const path = target.split(".");
  const [owner, value] = [at(path.slice(0, -1)), at(source.split("."))];
  if (owner instanceof PyObject && value instanceof PyTensor) ev.setAttribute(owner, path.at(-1)!, value);
}
