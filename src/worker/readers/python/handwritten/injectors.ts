import type { Expr, FunctionStmt, Stmt } from "../syntax/ast";
import { expressionsOf, namesMentionedBy, walkExpr, walkStatements } from "../syntax/walk";
import { PyList, type Value } from "../values/values";
import { roleOf, type Sizes, valueFor } from "./standInValues";

/** Functions that walk a model and put LoRA on its Linear layers. */
export interface Injector {
  readonly node: FunctionStmt;
  /** The parameter that is the model. */
  readonly model: string;
}

const WALKS = /^(named_)?(modules|children)$|^_modules$/;

export function injectorsOf(body: readonly Stmt[]): Injector[] {
  return body.flatMap((node): Injector[] => {
    if (node.kind !== "Function") return [];
    const model = walked(node);
    return model !== undefined && namesMentionedBy(node).has("isinstance") ? [{ node, model }] : [];
  });
}

/** The parameter whose modules the function goes through. */
function walked({ params, body }: FunctionStmt): string | undefined {
  const names = new Set(params.map(({ name }) => name));
  let found: string | undefined;
  everyExpression(body, (e) => {
    if (e.kind === "Attribute" && WALKS.test(e.name) && e.object.kind === "Name" && names.has(e.object.id))
      found ??= e.object.id;
  });
  return found;
}

/** The other arguments of a call with stand-ins; undefined where one that it needs cannot be told. */
export function argumentsFor(
  { node, model }: Injector,
  names: readonly string[],
  sizes: Sizes,
  owned: boolean,
): Map<string, Value> | undefined {
  const given = new Map<string, Value>();
  for (const param of node.params) {
    if (param.name === model || param.kind === "star" || param.kind === "doubleStar") continue;
    const role = roleOf(param, false);
    const isScale = role === "rank" || role === "alpha";
    if (param.default !== undefined && (owned || !isScale)) continue;
    const value = role === "names" ? new PyList([...names]) : role && valueFor(role, sizes);
    if (value === undefined) return undefined;
    given.set(param.name, value);
  }
  return given;
}

/** Names that layers have in models people adapt. */
const USUAL = "q_proj k_proj v_proj o_proj query key value dense c_attn fc fc1 linear".split(" ");
const MAX_NAMES = 32;

/** Names for the layers of a model that the function would adapt: those that it mentions, and the usual ones. */
export function layerNames({ node }: Injector): string[] {
  const found = new Set<string>();
  const add = (e: Expr): void => {
    if (e.kind !== "Constant" || typeof e.value !== "string") return;
    if (/^[a-z]\w*$/i.test(e.value) && !/lora|^(weight|bias|forward|name|none|all|lora_only)$/i.test(e.value))
      found.add(e.value);
  };
  for (const param of node.params) if (param.default) walkExpr(param.default, add);
  everyExpression(node.body, add);
  return [...new Set([...[...found].slice(0, MAX_NAMES - USUAL.length), ...USUAL])];
}

function everyExpression(body: readonly Stmt[], see: (expr: Expr) => void): void {
  walkStatements(body, (statement) => {
    for (const expr of expressionsOf(statement)) walkExpr(expr, see);
    if (statement.kind === "Assign") for (const target of statement.targets) walkExpr(target, see);
  });
}
