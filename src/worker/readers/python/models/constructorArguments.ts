import type { ConfigurationChoice } from "../../../../protocol/jobs";
import { ConfigTargets } from "../configs/targets";
import type { DefinedClass } from "../evaluate/scope";
import type { Environment } from "../imports/environment";
import type { CallSites } from "../usage/callSites";
import type { Constructions } from "../usage/constructions";
import { constructorParameters, requiredParameters } from "../usage/constructors";
import type { ProjectCallSites } from "../usage/projectCallSites";
import type { Constructed, Evaluator } from "../values/evaluator";
import type { PyClass } from "../values/values";
import type { Configurations, Configured } from "./configuration/configuration";
import { type Arguments, NO_ARGUMENTS } from "./modelInstance";
import { partsOf } from "./parts";

/** Where arguments come from. */
export interface Sources {
  /** Constructor calls at the top of the file. */
  readonly calledAtTop: ReadonlyMap<PyClass, Constructed>;
  readonly configurations: Configurations;
  readonly sites: CallSites;
  /** Calls in modules that a notebook's cells write. */
  readonly written: readonly Constructions[];
  readonly elsewhere: ProjectCallSites;
}

/** Arguments with which the model classes of a file may be constructed. */
export class ConstructorArguments {
  private readonly parts: ReadonlySet<string>;
  private readonly targets: ConfigTargets;
  /** While other files are searched, what they construct is found with its place there. */
  searching = true;

  constructor(
    private readonly ev: Evaluator,
    private readonly choice: ConfigurationChoice | undefined,
    private readonly from: Sources,
    classes: readonly DefinedClass[],
    environment: Environment,
  ) {
    this.parts = partsOf(classes);
    this.targets = new ConfigTargets(ev, environment);
  }

  private isWhole(defined: DefinedClass): boolean {
    return this.from.configurations.isModel(defined) || !this.parts.has(defined.type.name);
  }

  /** In order of priority; later ones are computed only when needed. */
  *of(defined: DefinedClass): Generator<Arguments> {
    const { ev, choice } = this;
    const { configurations, sites, written, calledAtTop } = this.from;
    const whole = this.isWhole(defined);
    if (whole) yield* this.untilRight(defined, () => configurations.fromJson(defined));
    const chosen = whole || choice?.source === "defaults" ? configurations.fromChoice(defined) : undefined;
    if (chosen) yield chosen;
    // What the file itself makes comes before the constructor's defaults, and those before what another model holds.
    const called = calledAtTop.get(defined.type);
    if (called) {
      const files = ev.provenance.constructed.get(defined.type);
      yield { ...called.before, files, configuration: configurations.ofCall(defined, called, undefined) };
    }
    for (const made of sites.constructions(defined.type)) {
      const { line } = ev.main.place(made.call);
      yield { ...made, configuration: configurations.ofCall(defined, made, line) };
    }
    for (const each of written) {
      const made = each.of(defined.type, new Set([defined.type.name])).whole;
      if (made) yield { ...made, configuration: configurations.ofCall(defined, made, undefined) };
    }
    if (!called && !ev.constructed.has(defined.type)) yield* this.ofProject(defined);
    if (whole && configurations.isModel(defined)) yield* this.configured(defined);
    if (requiredParameters(defined).length === 0) yield NO_ARGUMENTS;
    if (whole) yield* this.configured(defined);
    const inside = called ? undefined : ev.constructed.get(defined.type);
    if (inside && (inside.inMain || !this.searching)) yield { ...inside.before, assumed: true };
  }

  /** What a configuration of the project names by `_target_`, or gives where another file makes the class. */
  private *ofProject({ type }: DefinedClass): Generator<Arguments> {
    if (constructorParameters({ type }).length === 0) return;
    const target = this.targets.construction(type);
    if (target) yield target;
    const made = this.from.elsewhere.fromConfigurations(type);
    if (made) yield { ...made.given, at: made.at, files: made.files };
  }

  private *configured(defined: DefinedClass): Generator<Arguments> {
    const { configurations } = this.from;
    yield* this.untilRight(defined, () => configurations.fromInstance(defined));
    yield* this.untilRight(defined, () => configurations.fromDefaults(defined), true);
  }

  /** A configuration that turns out to be another class's makes room for the next. */
  private *untilRight(
    { type }: DefinedClass,
    next: () => Configured | undefined,
    assumed = false,
  ): Generator<Arguments> {
    for (let before = -1; ; ) {
      const rejected = this.from.configurations.rejectedFor(type).length;
      const given = rejected === before ? undefined : next();
      if (!given) return;
      before = rejected;
      yield { ...given, assumed, configured: given };
    }
  }

  /** Arguments from configurations, regardless of the rest of the file. */
  *ofConfigurations(defined: DefinedClass): Generator<Arguments> {
    const { configurations } = this.from;
    yield* this.untilRight(defined, () => configurations.fromJson(defined));
    if (!configurations.fromJson(defined)) yield* this.configured(defined);
  }
}
