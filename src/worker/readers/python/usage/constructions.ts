import type { Given } from "../evaluate/run/classes";
import { evaluateSafely } from "../evaluate/run/expressions";
import type { Scope } from "../evaluate/scope";
import type { CallExpr, Expr, Stmt } from "../syntax/ast";
import { isDotted, namesIn } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { type PyClass, PyDict, type PyFunction, type Value } from "../values/values";
import type { CallSites, EvaluatedCall } from "./callSites";
import { constructorParameters, requiredParameters } from "./constructors";
import { methodsOf, type Region } from "./regions";

/**
 * Calls of a class in a module that may have it under any name, `N(...)` after `from model import Net as N`,
 * `models.Net(...)`, `MODELS["net"](...)`, with what is known of their arguments: one that is unknown, such as a
 * vocabulary that is read from data, leaves the others as they are.
 */

/** A call of which some arguments are unknown. */
export interface PartCall extends EvaluatedCall {
  /** How many are known. */
  readonly known: number;
  /** It also gives what a `*` or `**` before an unknown value stands for. */
  readonly rest: Unknown | undefined;
}

export interface CallsFound {
  /** The first whose arguments are all known. */
  readonly whole?: EvaluatedCall | undefined;
  /** Where there is none: the one of which most is known. */
  readonly partly?: PartCall | undefined;
}

/** Calls that are tried for one class. */
const MAX_TRIED = 16;

export class Constructions {
  private readonly found = new Map<PyClass, CallsFound>();
  private readonly methods: readonly Region[];

  constructor(
    private readonly ev: Evaluator,
    private readonly sites: CallSites,
    body: readonly Stmt[],
    /** Names of the module that the statements are of. */
    private readonly globals: Scope,
  ) {
    this.methods = methodsOf(body, sites.regions[0]);
  }

  /** Those outside of constructors. `names` are what the class may be called. */
  of(type: PyClass, names: ReadonlySet<string>): CallsFound {
    let found = this.found.get(type);
    if (!found) {
      found = this.look(type, names);
      this.found.set(type, found);
    }
    return found;
  }

  private look(type: PyClass, names: ReadonlySet<string>): CallsFound {
    let partly: PartCall | undefined;
    let tried = 0;
    for (const region of [...this.sites.regions, ...this.methods]) {
      for (const call of region.calls) {
        if (!mayBe(call.callee, names) || !this.isCallOf(type, call, region)) continue;
        if (tried++ >= MAX_TRIED) return { partly };
        const [whole] = this.sites.evaluated({ call, region });
        if (whole) return { whole };
        const part = this.partOf(call, region);
        if (part && fits(type, part) && part.known > (partly?.known ?? 0)) partly = part;
      }
    }
    return { partly };
  }

  /** The first call of the function whose arguments are all known. */
  callOf(fn: PyFunction, names: ReadonlySet<string>): EvaluatedCall | undefined {
    for (const region of [...this.sites.regions, ...this.methods]) {
      for (const call of region.calls) {
        if (!mayBe(call.callee, names) || !this.isCallOf(fn, call, region)) continue;
        const [found] = this.sites.evaluated({ call, region });
        if (found) return found;
      }
    }
    return undefined;
  }

  private isCallOf(type: PyClass | PyFunction, { callee, start }: CallExpr, region: Region): boolean {
    const isTop = !region.fn && !region.outer;
    // A function may import the class for itself.
    const scope = () => (isTop ? this.globals : this.sites.scopeAt(namesIn(callee), region, start, false));
    return this.sites.quietValue(() => evaluateSafely(this.ev, scope(), callee)) === type;
  }

  private partOf(call: CallExpr, region: Region): PartCall | undefined {
    let best: PartCall | undefined;
    const names = new Set<string>();
    for (const { value } of call.args) namesIn(value, names);
    for (const flattened of [false, true]) {
      this.sites.quietly(() => {
        const part = this.argumentsOf(call, this.sites.scopeAt(names, region, call.start, flattened));
        if (part.known > (best?.known ?? 0)) best = { call, within: region.fn?.name, ...part };
      });
    }
    return best;
  }

  /** Each for itself: one that fails is unknown. */
  private argumentsOf(call: CallExpr, scope: Scope): Omit<PartCall, "call" | "within"> {
    const args: Value[] = [];
    const kwargs = new Map<string, Value>();
    let rest: Unknown | undefined;
    /** After `*` of an unknown value nobody can tell positions. */
    let counting = true;
    for (const { type, name, value: expr } of call.args) {
      const value = this.safely(scope, expr);
      if (type === "keyword") kwargs.set(name!, value);
      else if (type === "positional") {
        if (counting) args.push(value);
      } else if (type === "star") {
        const items = this.items(value);
        if (items instanceof Unknown) {
          counting = false;
          rest ??= items;
        } else if (counting) args.push(...items);
      } else if (value instanceof PyDict) {
        for (const { key, value: item } of value.entries.values()) kwargs.set(String(key), item);
      } else rest ??= value instanceof Unknown ? value : new Unknown("the argument after ** is not known");
    }
    const known = [...args, ...kwargs.values()].filter((value) => !(value instanceof Unknown)).length;
    return { args, kwargs, known, rest };
  }

  private items(value: Value): Value[] | Unknown {
    if (value instanceof Unknown) return value;
    const restore = this.ev.mark();
    try {
      return [...this.ev.iterate(value)];
    } catch (error) {
      const unknown = new Unknown(this.ev.reportError(error));
      restore();
      return unknown;
    }
  }

  private safely(scope: Scope, expr: Expr): Value {
    const restore = this.ev.mark();
    try {
      return evaluateSafely(this.ev, scope, expr);
    } catch (error) {
      const unknown = new Unknown(this.ev.reportError(error));
      restore();
      return unknown;
    }
  }
}

/** Whether the text may call the class. */
function mayBe(callee: Expr, names: ReadonlySet<string>): boolean {
  switch (callee.kind) {
    case "Name":
      return names.has(callee.id);
    case "Attribute":
      return isDotted(callee.object) && names.has(callee.name);
    case "Subscript":
      return isDotted(callee.object);
    case "Call":
      return callee.callee.kind === "Name" && callee.callee.id === "getattr";
    default:
      return false;
  }
}

/** It gives the class what that has to be given. */
function fits(type: PyClass, { args, kwargs, rest }: PartCall): boolean {
  const positional = positionalNames(type);
  const given = new Set([...positional.slice(0, args.length), ...kwargs.keys()]);
  return rest !== undefined || requiredParameters({ type }).every((name) => given.has(name));
}

function positionalNames(type: PyClass): string[] {
  return constructorParameters({ type })
    .filter(({ kind }) => kind === "normal" || kind === "positionalOnly")
    .map(({ name }) => name);
}

/** What the call gives, with what its stars may give: each parameter that gets nothing else is unknown. */
export function givenBy(type: PyClass, { args, kwargs, rest }: PartCall): Given {
  if (!rest) return { args, kwargs };
  const given = new Map(kwargs);
  const byPosition = new Set(positionalNames(type).slice(0, args.length));
  for (const { name, kind } of constructorParameters({ type })) {
    const isOpen = (kind === "normal" || kind === "keywordOnly") && !byPosition.has(name) && !given.has(name);
    if (isOpen) given.set(name, rest);
  }
  return { args, kwargs: given };
}

/** The arguments with `change` made to each that is unknown, which is told the parameter's name. */
export function mapUnknown(
  type: PyClass,
  { args, kwargs }: Given,
  change: (name: string, value: Unknown) => Value,
): Given {
  const positional = positionalNames(type);
  const changed = (name: string, value: Value) => (value instanceof Unknown ? change(name, value) : value);
  return {
    args: args.map((value, i) => changed(positional[i] ?? `argument ${i + 1}`, value)),
    kwargs: new Map([...kwargs].map(([name, value]) => [name, changed(name, value)])),
  };
}
