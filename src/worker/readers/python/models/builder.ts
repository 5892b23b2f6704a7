import type { ConfigurationChoice } from "../../../../protocol/jobs";
import type { DefinedClass } from "../evaluate/scope";
import type { Environment } from "../imports/environment";
import type { ClassStmt } from "../syntax/ast";
import type { Factories } from "../usage/factories";
import type { ProjectCallSites } from "../usage/projectCallSites";
import type { Evaluator } from "../values/evaluator";
import type { Configurations } from "./configuration/configuration";
import { ConstructorArguments, type Sources } from "./constructorArguments";
import { type Arguments, type Built, build, buildPartly, buildWithUnknowns } from "./modelInstance";

export interface BuilderOptions {
  /** The step limit for making one model. */
  readonly steps: number;
  readonly choice: ConfigurationChoice | undefined;
  readonly environment: Environment;
}

/** Builds an instance of each model class of a file. Its steps follow each other in the order of `build`. */
export class ModelBuilder {
  readonly built = new Map<DefinedClass, Built>();
  private readonly pending: Set<DefinedClass>;
  /** Classes that cannot be constructed from their defaults. */
  private readonly refused = new Set<DefinedClass>();
  /** Classes with a call whose arguments are not all known. */
  private readonly partly = new Set<DefinedClass>();
  private readonly configurations: Configurations;
  private readonly elsewhere: ProjectCallSites;
  private readonly steps: number;
  private readonly choice: ConfigurationChoice | undefined;
  private readonly environment: Environment;
  private readonly candidates: ConstructorArguments;

  constructor(
    private readonly ev: Evaluator,
    classes: readonly DefinedClass[],
    isWanted: (definition: ClassStmt) => boolean,
    sources: Sources,
    private readonly factories: Factories,
    { steps, choice, environment }: BuilderOptions,
  ) {
    this.pending = new Set(classes.filter(({ node }) => isWanted(node)));
    this.configurations = sources.configurations;
    this.elsewhere = sources.elsewhere;
    this.steps = steps;
    this.choice = choice;
    this.environment = environment;
    this.candidates = new ConstructorArguments(ev, choice, sources, classes, environment);
    for (const { type } of classes) ev.watched.add(type);
  }

  /** Gives the classes of which not all arguments are known. */
  build(): ReadonlySet<DefinedClass> {
    this.rounds();
    this.fromFactories();
    this.fromConfigurations();
    this.fromProject();
    const unresolved = new Set([...this.pending, ...this.partly]);
    this.withUnknowns(unresolved);
    return unresolved;
  }

  /** Builds the class of the first of the arguments that it takes. */
  private attempt(defined: DefinedClass, candidates: Iterable<Arguments>): void {
    let first: Built | undefined;
    let assumed = false;
    for (const candidate of candidates) {
      const { configured } = candidate;
      const before = configured && new Map(this.ev.constructed);
      const result = build(this.ev, defined, candidate, this.steps);
      if (before && result.lacking && this.configurations.reject(defined, configured)) {
        // The failed instance does not count for other classes either.
        this.ev.constructed.clear();
        for (const [type, given] of before) this.ev.constructed.set(type, given);
        continue;
      }
      if (!first) assumed = candidate.assumed ?? false;
      first ??= result;
      if (result.failed) continue;
      // A chosen configuration that cannot be used is reported.
      const chosen = this.choice?.source === "json" && first !== result && first.configuration?.source === "json";
      if (chosen) result.problems.unshift(...first.problems);
      first = result;
      break;
    }
    if (!first) return;
    if (first.failed && assumed) this.refused.add(defined);
    this.built.set(defined, first);
    this.pending.delete(defined);
  }

  /**
   * A class that takes arguments is built as the file builds it: at its top level, in a function, or inside another
   * model. The last is known only once that other model has been built, hence the rounds.
   */
  private rounds(): void {
    for (let before = -1; before !== this.pending.size; ) {
      before = this.pending.size;
      for (const defined of [...this.pending]) this.attempt(defined, this.candidates.of(defined));
    }
  }

  /** What functions of the file make. */
  private fromFactories(): void {
    for (const defined of [...this.pending]) {
      const made = this.pending.has(defined) ? this.factories.construct(defined.type) : undefined;
      if (!made) continue;
      this.attempt(defined, [{ ...made, configuration: this.configurations.ofCall(defined, made, undefined) }]);
      this.rounds();
    }
  }

  /** Parts of nothing that could be built: what holds others mostly comes after them. */
  private fromConfigurations(): void {
    for (const defined of [...this.pending].reverse()) {
      if (!this.pending.has(defined)) continue;
      const before = this.pending.size;
      this.attempt(defined, this.candidates.ofConfigurations(defined));
      if (this.pending.size < before) this.rounds();
    }
  }

  /**
   * What nothing here constructs, another file of the project may, and those first that hold others. A call that tells
   * all comes before one that leaves some open, wherever they stand.
   */
  private fromProject(): void {
    for (const isWhole of [true, false]) {
      this.candidates.searching = isWhole;
      this.rounds();
      for (const defined of [...this.refused, ...this.pending].reverse()) {
        const isOpen = this.pending.has(defined) || this.refused.has(defined);
        const made = isOpen ? this.elsewhere.construction(defined.type, isWhole) : undefined;
        if (!made) continue;
        const result =
          made.known === undefined
            ? build(this.ev, defined, { ...made.given, files: made.files }, this.steps)
            : buildPartly(this.ev, defined, made, this.configurations.partly(defined), this.steps);
        if (result.failed) continue;
        this.built.set(defined, { ...result, ...(made.at && { madeElsewhere: made.at }) });
        if (made.known !== undefined) this.partly.add(defined);
        this.pending.delete(defined);
        this.refused.delete(defined);
        this.rounds();
      }
    }
  }

  private withUnknowns(unresolved: ReadonlySet<DefinedClass>): void {
    if (unresolved.size + this.refused.size > 0) this.environment.noteUnresolved(this.ev.main.file);
    for (const defined of this.pending) {
      const known = {
        given: this.configurations.partly(defined),
        others: this.configurations.rejectedFor(defined.type),
      };
      this.built.set(defined, buildWithUnknowns(this.ev, defined, known, this.steps, this.environment.searched));
    }
  }
}
