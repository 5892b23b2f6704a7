import type { ConfigurationFile, MadeElsewhere } from "../../../../protocol/model";
import type { Configuration, Problem, SearchedFolder } from "../../model";
import { configurationFilesOf } from "../configs/files";
import { pythonMessage } from "../evaluate/errors";
import type { Applied } from "../evaluate/patches";
import { type Given, initializeInstance } from "../evaluate/run/classes";
import type { DefinedClass } from "../evaluate/scope";
import { deepCopy } from "../libraries/stdlib";
import type { Draw } from "../libraries/torch";
import { namesMentionedBy } from "../syntax/walk";
import { constructorParameters, requiredParameters } from "../usage/constructors";
import type { Made } from "../usage/projectCallSites";
import type { Evaluator } from "../values/evaluator";
import { type EvaluationError, Unknown } from "../values/unknown";
import { PyDict, PyError, PyObject, type Value } from "../values/values";
import type { Configured } from "./configuration/configuration";
import { reportUnknowns, tooManyModules } from "./tree";
import { constructedPartly, explained, nothingConstructs } from "./unknownSizes";

/** Makes an instance of a model class, of arguments that are known, known in part, or not at all. */

export interface Arguments {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  readonly configuration?: Configuration;
  /** The code does not give these arguments: they are defaults. */
  readonly assumed?: boolean;
  /** Where configurations gave them. */
  readonly configured?: Configured;
  /** Configuration files that they are of, and where another file gives them. */
  readonly files?: ReadonlySet<string> | undefined;
  readonly at?: MadeElsewhere | undefined;
  /** The line of the first of the files. */
  readonly line?: number;
  /** Notes about them. */
  readonly remark?: string | undefined;
}
export const NO_ARGUMENTS: Arguments = { args: [], kwargs: new Map(), assumed: true };

export interface Built {
  readonly object: PyObject;
  readonly draws: readonly Draw[];
  readonly problems: Problem[];
  /** `__init__` ended in an error; what it had registered is there. */
  readonly failed: boolean;
  /** It failed because a part of what it was given lacks an attribute or a key. */
  readonly lacking?: boolean;
  readonly configuration: Configuration | undefined;
  readonly madeElsewhere?: MadeElsewhere | undefined;
  readonly configurationFiles?: readonly ConfigurationFile[] | undefined;
  /** Parts of it could not be made, so that nobody can count its parameters. */
  readonly partial?: boolean;
  readonly given: Given;
  /** Of a model that a function makes: what it was made under. */
  readonly patches?: Applied | undefined;
}

/** Makes an instance of the class. What goes wrong is among its problems. */
export function build(
  ev: Evaluator,
  defined: DefinedClass,
  { args, kwargs, configuration, assumed = false, at, files, line, remark }: Arguments,
  steps: number,
): Built {
  const { type, node } = defined;
  const object = new PyObject(type, type.place);
  const isFirst = !ev.constructed.has(type);
  let [failed, lacking] = [false, false];
  let draws: readonly Draw[] = [];
  const make = () => {
    const restore = ev.mark();
    ev.span = undefined;
    if (remark !== undefined) ev.problem(remark, "information", type.place);
    // Arguments may hold modules and lists of their own, which two instances must not share.
    const copied = new Map<Value, Value>();
    const recorded = ev.random.record(() => {
      try {
        const construct = () => {
          const own = args.map((value) => deepCopy(ev, value, copied));
          const named = new Map([...kwargs].map(([name, value]) => [name, deepCopy(ev, value, copied)]));
          initializeInstance(ev, object, own, named);
        };
        ev.patches.trial(() => ev.within(steps, construct));
      } catch (error) {
        failed = true;
        const known = ev.understood(error);
        lacking = known instanceof PyError && [...copied.values()].some((value) => value === known.lacking);
        const isRefusal = refuses(known) || (lacksKeyword(known) && takesAnyKeyword(defined));
        if (assumed && isRefusal && known instanceof PyError) {
          const from = configuration?.label ?? "the defaults of its parameters";
          ev.problem(`${pythonMessage(known)} (with ${from})`, "information", known.place);
        } else ev.reportError(known);
      }
    });
    restore();
    draws = recorded.draws;
    const tooMany = tooManyModules(object);
    if (tooMany !== undefined) {
      failed = true;
      object.module?.modules.clear();
      ev.problem(`the modules of ${type.name} are not listed: ${tooMany}`, "error", type.place);
    }
    reportUnknowns(ev, object, new Set([...args, ...kwargs.values()]));
    ev.provenance.mention(ev.globals, namesMentionedBy(node));
  };
  const { value: problems, files: used } = ev.provenance.during(() => ev.collect(make));
  const configurationFiles = configurationFilesOf(ev, [...(files ?? []), ...used], line);

  // Arguments with which it fails do not count as an example.
  if (failed && isFirst) ev.constructed.delete(type);
  const given = { args, kwargs };
  const built = { object, draws, problems, failed, lacking, partial: failed, configuration, given };
  return { ...built, madeElsewhere: at, configurationFiles };
}

/**
 * Whether the class rejects its arguments or a default of None, which Python's own texts name. If the arguments were a
 * guess, this is not the author's mistake.
 */
function refuses(error: PyError | EvaluationError): boolean {
  return error instanceof PyError && (error.deliberate || /\bNone(Type)?\b/.test(error.message));
}

/** `kwargs["width"]`, or what keeps the arguments, which lacks one: nobody has given it. */
function lacksKeyword(error: PyError | EvaluationError): boolean {
  return error instanceof PyError && error.lacking instanceof PyDict;
}

function takesAnyKeyword(defined: DefinedClass): boolean {
  return constructorParameters(defined).some(({ kind }) => kind === "doubleStar");
}

/** `given` are the parameters that configurations give, `others` configurations that turned out to be none of the class. */
export function buildWithUnknowns(
  ev: Evaluator,
  defined: DefinedClass,
  known: { readonly given: ReadonlyMap<string, Value>; readonly others: readonly string[] },
  steps: number,
  searched: SearchedFolder | undefined,
): Built {
  const { type } = defined;
  const names = requiredParameters(defined).filter((name) => !known.given.has(name));
  const given = new Map(known.given);
  for (const name of names) {
    given.set(name, new Unknown(`nothing in this file gives ${type.name} its parameter ${name}`, type.place));
  }
  const result = build(ev, defined, { args: [], kwargs: given, assumed: true }, steps);
  return incomplete(result, nothingConstructs(type, names, searched, known.others));
}

/** `known` are the parameters that configurations give. */
export function buildPartly(
  ev: Evaluator,
  defined: DefinedClass,
  { given, where }: Made,
  known: ReadonlyMap<string, Value>,
  steps: number,
): Built {
  const { type } = defined;
  const result = build(ev, defined, explained(type, given, where, known), steps);
  return incomplete(result, constructedPartly(type, given, where));
}

function incomplete(result: Built, note: Problem): Built {
  // Skipped code may have made layers.
  const partial = result.problems.some(({ severity }) => severity !== "information");
  return { ...result, partial: result.failed || partial, problems: [note, ...result.problems] };
}
