import { memoized } from "../../memoized";
import { paramsOf } from "../evaluate/binding";
import type { DefinedClass, Definition } from "../evaluate/scope";
import type { Expr, Param } from "../syntax/ast";
import { expressionsOf, walkExpr, walkStatements } from "../syntax/walk";
import { PyFunction, PyNative } from "../values/values";

/** The parameters of a class's constructor. */

export type OfClass = Pick<DefinedClass, "type">;

/**
 * The parameters of the class's constructor, without `self`, and of the constructors that it hands its `**kwargs` on to:
 * `def __init__(self, dim, **kwargs): super().__init__(dim, **kwargs)` takes what its base class takes besides.
 */
export function constructorParameters({ type }: OfClass): readonly Param[] {
  const found: Param[] = [];
  let given: HandedOn = { positional: 0, names: new Set() };
  const add = (params: readonly Param[]): void => {
    const positional = params.filter(({ kind }) => kind === "normal" || kind === "positionalOnly");
    const bound = new Set([...positional.slice(0, given.positional).map(({ name }) => name), ...given.names]);
    found.push(...params.filter(({ name }) => !bound.has(name) && !found.some((known) => known.name === name)));
  };
  for (const { members } of type.mro) {
    const init = members.get("__init__");
    if (init === undefined) continue;
    // One of ours, in whose signature defaults are values: no expression of the source.
    if (init instanceof PyNative) {
      const own = paramsOf(init).slice(1);
      if (own.every(({ kind }) => kind === "star" || kind === "doubleStar")) continue;
      add(own.filter((p) => p.default === undefined).map(({ name, kind }) => ({ name, kind })));
      return found;
    }
    if (!(init instanceof PyFunction)) return found;
    const { node, params } = init.definition as Definition;
    const own = params.slice(1);
    add(own);
    // `def __init__(self, *args, **kwargs)` hands on to the next class what that takes.
    const onlyStars = own.length === 2 && own[0]!.kind === "star" && own[1]!.kind === "doubleStar";
    const onward = handedOn(node);
    if (!onward && !onlyStars) return found;
    given = onward ?? { positional: 0, names: new Set() };
  }
  return found;
}

/** The arguments that a constructor passes to the next one besides those that it received. */
interface HandedOn {
  readonly positional: number;
  readonly names: ReadonlySet<string>;
}

/** Of `super().__init__(first, *args, name=value, **kwargs)`; undefined where `**kwargs` is not handed on. */
const handedOn = memoized((node: Definition["node"]): HandedOn | undefined => {
  const rest = node.params.slice(1).find(({ kind }) => kind === "doubleStar")?.name;
  if (rest === undefined || node.kind !== "Function") return undefined;
  let found: HandedOn | undefined;
  walkStatements(node.body, (statement) => {
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        if (e.kind !== "Call" || e.callee.kind !== "Attribute" || e.callee.name !== "__init__") return;
        const isHanded = e.args.some(({ type, value }) => type === "doubleStar" && isName(value, rest));
        if (!isHanded) return;
        const { object } = e.callee;
        const positional = e.args.filter(({ type }) => type === "positional").length;
        const names = e.args.flatMap(({ type, name }) => (type === "keyword" && name !== undefined ? [name] : []));
        // `Base.__init__(self, ...)` counts from its second.
        found ??= { positional: object.kind === "Call" ? positional : positional - 1, names: new Set(names) };
      });
    }
  });
  return found;
});

const isName = (expr: Expr, name: string): boolean => expr.kind === "Name" && expr.id === name;

/** Parameters of the constructor that a call has to give. */
export function requiredParameters(defined: OfClass): string[] {
  return constructorParameters(defined)
    .filter((p) => p.default === undefined && p.kind !== "star" && p.kind !== "doubleStar")
    .map((p) => p.name);
}
