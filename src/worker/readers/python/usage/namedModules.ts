import type { SourcePlace } from "../../../graph/node";
import { isNamed, type Model, type ModuleInfo } from "../../model";
import type { Applied } from "../evaluate/patches";
import type { Scope } from "../evaluate/scope";
import type { Draw } from "../libraries/torch";
import { differentModulesOf } from "../models/tree";
import { assignedTargets } from "../syntax/assigned";
import type { Stmt } from "../syntax/ast";
import type { Evaluator } from "../values/evaluator";
import { PyObject } from "../values/values";

/**
 * Models that a file makes without a class of its own: `model = nn.Sequential(...)`, `model = LlamaForCausalLM(config)`.
 * They go by the name that they are assigned to.
 */
export interface NamedModule {
  readonly name: string;
  /** The name, where it is assigned. */
  readonly place: SourcePlace;
  /** Where in the source the name is bound. */
  readonly start: number;
  readonly object: PyObject;
  /** What the statement that made it drew. */
  readonly draws: readonly Draw[];
  /** What the code around it had assigned to names of modules when it was made. */
  readonly patches?: Applied | undefined;
  /** The names of the module at whose top it is made; that of the file where left out. */
  readonly scope?: Scope;
}

/** Statements whose names are no modules that are made here. */
const OTHERS = new Set<Stmt["kind"]>(["Import", "ImportFrom", "Function", "Class", "Expr"]);

export class NamedModules {
  /** By name: the last module that went by it. */
  private readonly found = new Map<string, NamedModule>();

  /** Notes the modules among what a statement at the top has assigned. */
  note(ev: Evaluator, statement: Stmt, draws: readonly Draw[], scope: Scope): void {
    if (OTHERS.has(statement.kind)) return;
    for (const target of assignedTargets([statement])) {
      if (target.kind !== "Name") continue;
      const object = scope.names.get(target.id);
      if (!(object instanceof PyObject) || !object.module) continue;
      // `model = model.to(device)` makes nothing.
      if ([...this.found.values()].some((known) => known.object === object)) continue;
      const { id: name, start } = target;
      const key = scope === ev.globals ? name : `${scope.names.get("__name__")}.${name}`;
      this.found.set(key, { name, place: ev.main.place(target), start, object, draws, scope });
    }
  }

  /** With those that are made elsewhere in the file, without the parts of others and without single layers. */
  models(elsewhere: readonly NamedModule[]): NamedModule[] {
    const all = [...this.found.values(), ...elsewhere.filter(({ name }) => !this.found.has(name))];
    const within = new Set(
      all.flatMap(({ object }) => [...differentModulesOf(object)].slice(1).map(([, part]) => part)),
    );
    return all.filter(({ object }) => !within.has(object) && !isLayer(object));
  }
}

function isLayer({ type, module }: PyObject): boolean {
  return type.builtin !== undefined && module!.modules.size === 0;
}

/**
 * Without the instances of the file's own classes that are as the class is shown: it was built as they were. One that
 * has been changed since, or is loaded from a checkpoint, is a model by itself; so is one that has other sizes, unless a
 * configuration gives the class its sizes.
 */
export function withoutCopies(models: readonly Model[]): Model[] {
  const classes = new Map(models.filter((model) => !isNamed(model)).map((model) => [model.className, model]));
  return models.filter((model) => {
    const own = isNamed(model) ? classes.get(model.root.kind) : undefined;
    if (!own || model.standsAlone) return true;
    const isConfigured = own.configuration !== undefined || own.lacksConfiguration || own.madeElsewhere !== undefined;
    return !((isConfigured && !model.patched) || sameLayers(own.root, model.root));
  });
}

function sameLayers(a: ModuleInfo, b: ModuleInfo): boolean {
  const alike =
    a.path === b.path &&
    a.kind === b.kind &&
    a.inFeatures === b.inFeatures &&
    a.outFeatures === b.outFeatures &&
    a.bias === b.bias &&
    a.parameters === b.parameters &&
    a.children.length === b.children.length;
  return alike && a.children.every((child, i) => sameLayers(child, b.children[i]!));
}
