import { UserError } from "../../../../formats/errors";
import type { KeyConversion, KeyConversions, Rearrangement } from "../../../keyConversion";
import { pythonMessage } from "../../evaluate/errors";
import type { Evaluator } from "../../values/evaluator";
import { PyDict, PyError, PyList, PyNamespace, PyObject, PyTuple, type Value } from "../../values/values";

/**
 * How the installed transformers converts the keys of a model's checkpoints. Its own functions are evaluated: the list
 * of conversions, and each one's reverse.
 */

/** Building the list of all models' conversions takes about a third of it. */
const STEPS = 5_000_000;

/**
 * The conversions of a model of transformers; undefined for another module.
 * @throws UserError when the installed source cannot be evaluated: without them tensors would be missing.
 */
export function conversionsOf(ev: Evaluator, model: PyObject): KeyConversions | undefined {
  if (!isPretrained(model)) return undefined;
  const base = ev.tryAttribute(model, "base_model_prefix");
  const { value: conversions, error } = ev.attempt((): KeyConversions => {
    const transforms = transformsOf(ev, model);
    return {
      base: typeof base === "string" ? base : "",
      load: !transforms
        ? renamingsBefore5(ev, model)
        : transforms.map((transform) => {
            const conversion = conversionOf(ev, transform, model);
            if (conversion.kind !== "rearrange") return conversion;
            const reverse = ev.call(ev.getAttribute(transform, "reverse_transform"), []);
            return { ...conversion, reverse: conversionOf(ev, reverse, model) };
          }),
    };
  }, STEPS);
  if (conversions) return conversions;
  const why = error instanceof PyError ? pythonMessage(error) : error?.message;
  throw new UserError(
    `the table by which transformers renames the weights of ${model.type.name} could not be read: ${why}`,
  );
}

function isPretrained({ type }: PyObject): boolean {
  return type.mro.some((each) => each.name === "PreTrainedModel");
}

/** The `WeightTransform` objects. Before transformers 5 there are none. */
function transformsOf(ev: Evaluator, model: PyObject): readonly Value[] | undefined {
  const module = ev.resolveImport("transformers.conversion_mapping");
  const list = module instanceof PyNamespace ? module.get("get_model_conversion_mapping") : undefined;
  return list === undefined ? undefined : itemsOf(ev.call(list, [model]));
}

/**
 * Of transformers 4: older names of PyTorch's, then the first of the class's patterns that matches
 * (`PreTrainedModel._get_key_renaming_mapping`).
 */
function renamingsBefore5(ev: Evaluator, model: PyObject): KeyConversion[] {
  const older = OLDER_NAMES.map(([source, target]) => pairs([[source, target]]));
  const mapping = ev.tryAttribute(model, "_checkpoint_conversion_mapping");
  const own = mapping instanceof PyDict ? [...mapping.entries.values()] : [];
  if (own.length === 0) return older;
  // What stands for the place of a match in the replacement is no part of the new name.
  const target = (text: string) => text.replace(/^\^+/, "").replace(/\(.*\)/, "");
  return [...older, pairs(own.map(({ key, value }) => [String(key), target(String(value))]))];
}

const OLDER_NAMES = [
  ["LayerNorm\\.beta$", "LayerNorm.bias"],
  ["LayerNorm\\.gamma$", "LayerNorm.weight"],
  ["weight_g$", "parametrizations.weight.original0"],
  ["weight_v$", "parametrizations.weight.original1"],
] as const;

function pairs(entries: readonly (readonly [source: string, target: string])[]): KeyConversion {
  return {
    kind: "paired",
    pattern: entries.map(([source], i) => `(?P<g${i}>${source})`).join("|"),
    sources: entries.map(([source]) => source),
    targets: entries.map(([, target]) => target),
    steps: [],
  };
}

function itemsOf(value: Value | undefined): readonly Value[] {
  return value instanceof PyList || value instanceof PyTuple ? value.items : [];
}

function conversionOf(ev: Evaluator, transform: Value, model: PyObject): KeyConversion {
  if (!(transform instanceof PyObject)) throw new Error("a conversion is not an object");
  const strings = (name: string) => itemsOf(ev.tryAttribute(transform, name)).map(String);
  const compiled = ev.tryAttribute(transform, "compiled_sources");
  const pattern = compiled === undefined ? undefined : ev.tryAttribute(compiled, "pattern");
  if (typeof pattern !== "string") throw new Error(`${transform.type.name} has no pattern`);
  const scope = ev.tryAttribute(transform, "scope_prefix");
  const is = (name: string) => transform.type.mro.some((each) => each.name === name);
  return {
    kind: is("WeightConverter") ? "rearrange" : is("GroupWeightRename") ? "guarded" : "rename",
    pattern,
    sources: strings("source_patterns"),
    targets: strings("target_patterns"),
    ...(typeof scope === "string" && { scope }),
    steps: itemsOf(ev.tryAttribute(transform, "operations")).map((step) => rearrangement(ev, step, model)),
  };
}

function rearrangement(ev: Evaluator, step: Value, model: PyObject): Rearrangement {
  if (!(step instanceof PyObject)) throw new Error("a step of a conversion is not an object");
  const fields: Record<string, unknown> = {};
  for (const [name, value] of step.attributes) {
    const plain = plainOf(value);
    if (plain !== undefined) fields[name] = plain;
  }
  const config = ev.tryAttribute(model, "config");
  const { num_shards_attribute: shards, subconfig_key: part } = fields;
  let parts: Value | undefined;
  let heads: Value | undefined;
  if (typeof shards === "string" && config !== undefined) {
    parts = ev.tryAttribute(ev.call(ev.getAttribute(config, "get_text_config"), []), shards);
  }
  if (step.type.name.includes("PermuteForRope") && config !== undefined) {
    const own = typeof part === "string" ? (ev.tryAttribute(config, part) ?? config) : config;
    heads = ev.tryAttribute(own, "num_attention_heads") ?? 1;
  }
  return {
    name: step.type.name,
    fields,
    ...(typeof parts === "number" && { parts }),
    ...(typeof heads === "number" && { heads }),
  };
}

function plainOf(value: Value): unknown {
  if (value === null || ["number", "boolean", "string"].includes(typeof value)) return value;
  const items = itemsOf(value);
  return items.length > 0 && items.every((item) => ["number", "string"].includes(typeof item)) ? items : undefined;
}
