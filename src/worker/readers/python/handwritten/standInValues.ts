import type { Definition } from "../evaluate/scope";
import type { Expr, Param } from "../syntax/ast";
import { expressionsOf, walkExpr, walkStatements } from "../syntax/walk";
import { constructorParameters } from "../usage/constructors";
import { type PyClass, PyFunction, type Value } from "../values/values";

/**
 * Stand-ins for the arguments of a class or function with handwritten LoRA whose sizes are in another file. They are
 * for findings alone and never shown.
 */
export interface Sizes {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
}

/** Different, so that a mix-up shows, with many divisors, and unlike any number that stands in code. */
export const APART: Sizes = { in: 672, out: 1008, rank: 12 };
/** For code that only fits a square layer. */
export const SQUARE: Sizes = { in: 672, out: 672, rank: 12 };
/** Apart from the rank, its root and their products. */
const ALPHA = 36;

/** What a parameter stands for, by its name, its annotation and its use. */
export type Role = "linear" | "in" | "out" | "rank" | "alpha" | "dropout" | "flag" | "none" | "name" | "names";

const IN =
  /^(n_?|d_?|fan_?|dim_?|size_?|features_?)?in$|^in(put)?_?(features?|feats?|dims?|channels?|size|width|ch)?$/i;
const OUT =
  /^(n_?|d_?|fan_?|dim_?|size_?|features_?)?out$|^out(put)?_?(features?|feats?|dims?|channels?|size|width|ch)?$/i;
/** Of what takes and gives the same. */
const BOTH =
  /^(d_?model|(model_|embed_|emb_|hidden_)?dim|hidden(_size)?|embed(ding)?_(dim|size)|n_embd|features|width)$/i;
const RANK = /^(r|rank|lora_?r|lora_?rank|lora_?dim|low_?rank|rank_?dim|network_?rank)$/i;

/** The names that a layer goes by where a class takes one. */
const LAYER =
  /^_?(lin(ear)?|fc|base|orig(inal)?|pretrained|frozen|wrapped|parent|target)?_?(lin(ear)?|layer|module|mod|base|model)(_layer|_linear|_module)?$/i;

export function roleOf(param: Param, isLayer: boolean): Role | undefined {
  const { name, annotation } = param;
  if (annotation !== undefined && /\bLinear\b/.test(annotation)) return "linear";
  if (annotation !== undefined && /\b(Conv\w*|Embedding|Tensor|dict|Dict\w*|\w*Config)\b/.test(annotation))
    return undefined;
  if (isLayer) return "linear";
  if (RANK.test(name)) return "rank";
  if (IN.test(name) || BOTH.test(name)) return "in";
  if (OUT.test(name)) return "out";
  if (/alpha|^(lora_)?scal(e|ing)$|multiplier/i.test(name)) return "alpha";
  if (/dropout|^p$/i.test(name)) return "dropout";
  if (/^(device|dtype)$/.test(name)) return "none";
  if (/^(adapter|lora|module|layer)?_?name$/.test(name)) return "name";
  if (/target|modules|names|keys|layers/i.test(name)) return "names";
  if (annotation === "bool" || /^(bias|use_|merge|fan_in_fan_out|enable|is_|rslora|dora)/i.test(name)) return "flag";
  return undefined;
}

/** The value for a role; undefined for a layer, which is made. */
export function valueFor(role: Role, sizes: Sizes): Value | undefined {
  switch (role) {
    case "in":
      return sizes.in;
    case "out":
      return sizes.out;
    case "rank":
      return sizes.rank;
    case "alpha":
      return ALPHA;
    case "dropout":
      return 0;
    case "flag":
      return false;
    case "none":
      return null;
    case "name":
      return "default";
    default:
      return undefined;
  }
}

export interface Slot {
  readonly name: string;
  readonly role: Role;
  /** The code's own default, which works. */
  readonly hasDefault: boolean;
}

/** Arguments for the class's constructor; undefined if a required one is unknown. */
export function slotsOf(type: PyClass): Slot[] | undefined {
  const slots: Slot[] = [];
  const params = constructorParameters({ type });
  // Most classes take no rank, and need no further look.
  if (!params.some(({ name }) => RANK.test(name))) return undefined;
  for (const param of params) {
    if (param.kind === "star" || param.kind === "doubleStar") continue;
    const hasDefault = param.default !== undefined && !isNothing(param.default);
    const role = roleOf(param, usedAsLayer(type, param));
    if (role) slots.push({ name: param.name, role, hasDefault });
    else if (param.default === undefined) return undefined;
  }
  return slots;
}

/** A rank of 0 or None turns LoRA off. */
function isNothing(expr: Expr): boolean {
  return expr.kind === "Constant" && (expr.value === 0 || expr.value === null);
}

/** Whether the class writes LoRA by hand, as far as its constructor tells: it takes a rank and what it is the rank of. */
export function takesRank(slots: readonly Slot[]): boolean {
  const roles = new Set(slots.map(({ role }) => role));
  return roles.has("rank") && (roles.has("linear") || roles.has("in"));
}

/** `layer.in_features`, `layer.weight.shape`, or a layer's name for what is kept and called. */
function usedAsLayer(type: PyClass, { name, annotation }: Param): boolean {
  if (annotation !== undefined && /^(int|float|bool|str)\b/.test(annotation)) return false;
  const init = type.members.get("__init__");
  const node = init instanceof PyFunction ? (init.definition as Definition).node : undefined;
  if (node?.kind !== "Function") return false;
  let found = false;
  const kept = new Set<string>();
  walkStatements(node.body, (statement) => {
    if (statement.kind !== "Assign" || statement.value.kind !== "Name" || statement.value.id !== name) return;
    for (const target of statement.targets) if (target.kind === "Attribute") kept.add(target.name);
  });
  walkStatements(node.body, (statement) => {
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        if (e.kind !== "Attribute" || !/^(in_features|out_features|weight)$/.test(e.name)) return;
        const { object } = e;
        found ||= object.kind === "Name" && object.id === name;
        found ||= object.kind === "Attribute" && kept.has(object.name);
      });
    }
  });
  return found || (kept.size > 0 && LAYER.test(name) && (annotation === undefined || /Module/.test(annotation)));
}
