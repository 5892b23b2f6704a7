import type { Given } from "../evaluate/run/classes";
import { deepCopy } from "../libraries/stdlib";
import type { Stmt } from "../syntax/ast";
import { namesMentionedBy } from "../syntax/walk";
import type { EvaluatedCall } from "../usage/callSites";
import type { Constructions } from "../usage/constructions";
import type { Evaluator } from "../values/evaluator";
import { type PyClass, PyFunction } from "../values/values";
import { injectorsOf } from "./injectors";

/**
 * What the file's injecting functions construct a class with: `apply_lora(model, rank=8)` makes a LoRA for each layer of
 * the model. The calls are found in code that is not executed, and made once more for what they construct.
 */
export class Injections {
  constructor(
    private readonly ev: Evaluator,
    private readonly body: readonly Stmt[],
    /** That one call may take. */
    private readonly steps: number,
  ) {}

  /** Names of functions that put modules of the class, or of classes that hold it, into a model. */
  leadingTo(type: PyClass): string[] {
    const wanted = new Set([type.name]);
    for (const s of this.body) if (s.kind === "Class" && namesMentionedBy(s).has(type.name)) wanted.add(s.name);
    return injectorsOf(this.body)
      .filter(({ node }) => [...namesMentionedBy(node)].some((name) => wanted.has(name)))
      .map(({ node }) => node.name);
  }

  /** What a call of the function in these places, by one of the names, constructs the class with. */
  construction(
    type: PyClass,
    name: string,
    sites: Constructions,
    names: ReadonlySet<string>,
  ): (Given & Pick<EvaluatedCall, "call">) | undefined {
    const { ev } = this;
    const fn = ev.globals.lookup(name);
    if (!(fn instanceof PyFunction)) return undefined;
    const found = sites.callOf(fn, names);
    if (!found) return undefined;
    ev.attempt(() => {
      // The model of the call stays as it is.
      const copied = new Map();
      const args = found.args.map((value) => deepCopy(ev, value, copied));
      const kwargs = new Map([...found.kwargs].map(([key, value]) => [key, deepCopy(ev, value, copied)]));
      ev.call(fn, args, kwargs);
    }, this.steps);
    const made = ev.constructed.get(type);
    return made && { ...made.before, call: found.call };
  }
}
