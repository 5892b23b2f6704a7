import type { ConfigurationChoice } from "../../../../../protocol/jobs";
import { lineText, type SourcePlace } from "../../../../graph/node";
import type { Configuration, ConfigurationOption } from "../../../model";
import { chosenConfig, givenBy, partRead, partsOf, targetArguments } from "../../configs/chosen";
import type { DefinedClass, Scope } from "../../evaluate/scope";
import { simpleNamespace } from "../../libraries/stdlib";
import type { CallSites, EvaluatedCall } from "../../usage/callSites";
import { constructorParameters, type OfClass, requiredParameters } from "../../usage/constructors";
import type { Evaluator } from "../../values/evaluator";
import { classOf, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyClass, PyDict, PyFunction, PyObject, type Value } from "../../values/values";
import { asRecord, type ConfigFile, pythonValue, siblingConfig, siblingPath } from "./configFile";
import { acceptedBy, fieldsFor, namespaceOf } from "./fileConfiguration";
import { answers, namesReadOf } from "./guessedConfiguration";
import { withoutPlaceholders } from "./placeholders";

/**
 * The value of a model class's `config`: of 5,199 Linear layers in Hugging Face transformers, nearly all take their
 * sizes from one. In order: a config.json, an instance made in the file, the configuration class's own defaults.
 */

/** Arguments that configurations give. */
export interface Configured {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  readonly configuration: Configuration;
  /** Values that are taken for the class's configuration by their names alone, with the slots they fill. */
  readonly guesses: readonly Guess[];
}

interface Guess {
  readonly slot: Slot;
  readonly value: Value;
}

const CONFIG_NAME = /^(\w+_)?(config|cfg|configuration|conf)$/;
/** Names that hold a configuration where the annotation says so. */
const ARGUMENTS_NAME = /^(args|params|hparams|hps|options|opts|model_args|settings)$/;
const CONFIG_CLASS = /(Config|Configuration|Cfg|Args|Arguments|Params|Options|Settings|HParams)$/;
/** The step limit for making one configuration. */
const STEPS = 200_000;

interface Slot {
  readonly name: string;
  readonly type: PyClass | undefined;
  /** Neither the parameter's annotation nor the class says that it is of this type. */
  readonly guessed: boolean;
  /** Of a guess: the type's name goes with the class's or the parameter's. */
  readonly named: boolean;
  /** Values that turned out not to be configurations of the class. */
  readonly rejected: ReadonlySet<Value>;
}

const NOTHING: ReadonlySet<Value> = new Set();
const CHOSEN = { type: undefined, guessed: false, named: false, rejected: NOTHING };

/** A configuration that the file makes. */
interface Instance {
  /** Its stable id, independent of other lines: "GPT_CONFIG_124M", "GPTConfig in main()". */
  readonly name: string;
  /** In words: "GPT_CONFIG_124M", "the GPTConfig at line 22". */
  readonly label: string;
  readonly place: SourcePlace | undefined;
  readonly value: () => Value | undefined;
}

/** Configurations for the model classes of one file. */
export class Configurations {
  private readonly made = new Map<string, Value | undefined>();
  private readonly json: ConfigFile | undefined;
  private usesJson = false;
  /** The instance that was chosen is in the file. */
  private foundChosen = false;
  /** For each model class: values that were tried as its configuration but lack attributes that it reads. */
  private readonly rejected = new Map<PyClass, Set<Value>>();

  constructor(
    private readonly ev: Evaluator,
    private readonly sites: CallSites,
    private readonly choice: ConfigurationChoice | undefined,
  ) {
    if (choice?.source === "instance" || choice?.source === "defaults") return;
    const chosen = choice && "file" in choice ? choice.file : undefined;
    const found = siblingConfig(ev.main.file, chosen, (file) => chosenConfig(ev, file));
    if (typeof found === "string") ev.problem(found, choice ? "error" : "warning", this.start);
    // A config.json that lies beside the file may be about something else.
    else if (found && (choice || Object.keys(found.fields).some((key) => this.mentions(key)))) this.json = found;
  }

  private get start() {
    return this.ev.main.place({ start: 0, end: 0 });
  }

  /** The source reads `config.key` or `config["key"]`. */
  private mentions(key: string): boolean {
    const { text } = this.ev.main;
    return [`.${key}`, `"${key}"`, `'${key}'`].some((use) => text.includes(use));
  }

  /** Whether the class has a configuration class of its own, as transformers' models have: it is a model by itself. */
  isModel({ type }: OfClass): boolean {
    return this.declared(type) !== undefined;
  }

  /** What a config.json gives, when that leaves no parameter open. */
  fromJson(defined: OfClass): Configured | undefined {
    const { json } = this;
    if (!json) return undefined;
    const value = (slot: Slot) => this.once(`json ${slot.type?.name} ${slot.name}`, () => this.read(json, slot));
    const configuration: Configuration = { source: "json", label: json.name, file: json.file };
    const configured = this.complete(defined, value, configuration) ?? this.fromChosen(defined, json, configuration);
    this.usesJson ||= configured !== undefined;
    return configured;
  }

  /** A chosen file applies to this file, regardless of the parameters' names. */
  private fromChosen(defined: OfClass, json: ConfigFile, configuration: Configuration): Configured | undefined {
    if (!this.choice) return undefined;
    const target = targetArguments(this.ev, json, defined.type.name);
    if (target) return { args: [], kwargs: target, configuration, guesses: [] };
    const given = givenBy(constructorParameters(defined), json, this.ev.main.text);
    if (!given) return undefined;
    const kwargs = new Map<string, Value>();
    for (const [name, fields] of given.whole) {
      const slot = this.slot(defined, name) ?? { name, ...CHOSEN };
      const value = this.read({ ...json, fields }, slot);
      if (value === undefined) return undefined;
      kwargs.set(name, value);
    }
    for (const [name, value] of given.values) kwargs.set(name, pythonValue(value));
    return { args: [], kwargs, configuration, guesses: [] };
  }

  /** What was chosen in place of the first source that there is: an instance by its name, or the defaults. */
  fromChoice(defined: OfClass): Configured | undefined {
    if (this.choice?.source === "defaults") return this.fromDefaults(defined);
    const { chosenName } = this;
    return chosenName === undefined ? undefined : this.fromInstance(defined, chosenName);
  }

  /** To be called when all classes are built: says when the chosen instance was nowhere. */
  checkChoice(models: readonly OfClass[]): void {
    if (this.choice?.source === "json" && this.json && !this.usesJson && models.length > 0) {
      const shown = models.slice(0, 3).map((model) => {
        const names = constructorParameters(model).map(({ name }) => name);
        return `${model.type.name}(${names.join(", ")})`;
      });
      const keys = Object.keys(this.json.fields).slice(0, 8).join(", ");
      this.ev.problem(
        `${this.json.file} was chosen as the configuration, but no model in this file takes its parameters from it: it holds ${keys || "nothing"}, and the classes are ${shown.join(", ")}. Name its entries like the parameters, or choose another file.`,
        "error",
        this.start,
      );
    }
    const { chosenName } = this;
    if (chosenName === undefined || this.foundChosen) return;
    const message = `the configuration chosen for this file, ${chosenName}, is no longer in it; another one is used`;
    this.ev.problem(message, "warning", this.start);
  }

  /**
   * To be told that the class could not be made because a part of what it was given lacks something. Where that was a
   * guess, another class's configuration was taken for its own, and is not again. False where it counts as its own.
   */
  reject({ type, node }: DefinedClass, { guesses }: Configured): boolean {
    if (this.choice?.source === "instance" || this.choice?.source === "defaults") return false;
    const wrong = guesses.filter(
      ({ slot, value }) => !slot.named || !answers(this.ev, value, namesReadOf(node, slot.name)),
    );
    const known = this.rejected.get(type) ?? new Set();
    for (const { slot, value } of wrong) known.add(slot.type ?? value);
    this.rejected.set(type, known);
    return wrong.length > 0;
  }

  /** Values that were wrongly taken for the class's configuration. */
  rejectedFor(type: PyClass): string[] {
    return [...(this.rejected.get(type) ?? [])].map((value) => (value instanceof PyClass ? value.name : "a dict"));
  }

  private get chosenName(): string | undefined {
    return this.choice?.source === "instance" ? this.choice.name : undefined;
  }

  /**
   * What an instance that the file makes gives: `config = GPTConfig(n_layer=2)`, `GPT_CONFIG_124M = {...}`. `name`d one,
   * or else the first.
   */
  fromInstance(defined: OfClass, name?: string): Configured | undefined {
    if (this.choice?.source === "defaults") return undefined;
    let label = "";
    const value = (slot: Slot) => {
      const found = this.instanceOf(slot, name);
      if (found) label = found.label;
      return found?.value;
    };
    const configured = this.complete(defined, value, { source: "instance", label: "" });
    return configured && { ...configured, configuration: { source: "instance", label } };
  }

  /** What the configuration class's defaults give. */
  fromDefaults(defined: OfClass): Configured | undefined {
    let label = "";
    const value = (slot: Slot) => {
      const { type } = slot;
      if (!type) return undefined;
      label ||= `${type.name}'s defaults`;
      return this.defaultsOf(type);
    };
    const configured = this.complete(defined, value, { source: "defaults", label: "" });
    return configured && { ...configured, configuration: { source: "defaults", label } };
  }

  /** The known parameters while others are unknown: from the first source that has them. */
  partly(defined: OfClass): ReadonlyMap<string, Value> {
    const known = new Map<string, Value>();
    for (const name of requiredParameters(defined)) {
      const slot = this.slot(defined, name);
      const value = slot && this.valueOf(slot);
      if (value !== undefined) known.set(name, value);
    }
    return known;
  }

  /** Where the configuration of a call that the file makes comes from, when the class takes one. */
  ofCall(
    defined: OfClass,
    { args, kwargs }: Pick<EvaluatedCall, "args" | "kwargs">,
    line: number | undefined,
  ): Configuration | undefined {
    const slots = constructorParameters(defined).map((p) => this.slot(defined, p.name));
    if (slots.every((slot) => slot === undefined)) return undefined;
    for (const [i, slot] of slots.entries()) {
      const given = slot && (kwargs.get(slot.name) ?? args[i]);
      if (given === undefined) continue;
      for (const { label, place, value } of this.instances(slot!)) {
        const same = given instanceof PyObject && given.place && place ? samePlace(given.place, place) : false;
        if (same || given === value()) return { source: "instance", label };
      }
    }
    return { source: "instance", label: line === undefined ? "the instance in this file" : `the call at line ${line}` };
  }

  /** The class takes a configuration. */
  isTaken(defined: OfClass): boolean {
    return requiredParameters(defined).some((name) => this.slot(defined, name) !== undefined);
  }

  /** What the class can take, in the order in which it is looked for. */
  options(defined: OfClass): ConfigurationOption[] {
    if (!this.isTaken(defined)) return [];
    const { file } = this.ev.main;
    const found: ConfigurationOption[] = [];
    const beside = siblingConfig(file);
    if (beside !== undefined) {
      const choice = { source: "json", file: siblingPath(file) } as const;
      found.push({ choice, label: "config.json", ...(typeof beside === "string" && { problem: beside }) });
    }
    const seen = new Set<string>();
    for (const parameter of requiredParameters(defined)) {
      const slot = this.slot(defined, parameter);
      if (!slot) continue;
      for (const { name, label, place, value } of this.instances(slot)) {
        if (seen.has(name) || value() === undefined) continue;
        seen.add(name);
        found.push({ choice: { source: "instance", name }, label, ...(place?.file === file && { place }) });
      }
    }
    const defaults = this.fromDefaults(defined);
    if (defaults) found.push({ choice: { source: "defaults" }, label: defaults.configuration.label });
    return found;
  }

  private valueOf(slot: Slot): Value | undefined {
    const { json } = this;
    const { type } = slot;
    this.usesJson ||= json !== undefined;
    return (
      (json && this.once(`json ${type?.name} ${slot.name}`, () => this.read(json, slot))) ??
      (this.choice?.source === "defaults" ? undefined : this.chosenOrFirst(slot)) ??
      (type && this.defaultsOf(type))
    );
  }

  private defaultsOf(type: PyClass): Value | undefined {
    const key = `defaults ${type.name} ${type.place?.file}`;
    return this.once(key, () => withoutPlaceholders(this.make(type, new Map()), type));
  }

  private once(key: string, make: () => Value | undefined): Value | undefined {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key);
  }

  private complete(
    defined: OfClass,
    value: (slot: Slot) => Value | undefined,
    configuration: Configuration,
  ): Configured | undefined {
    const required = requiredParameters(defined);
    const guesses: Guess[] = [];
    for (const { name, default: given } of constructorParameters(defined)) {
      // `config=None` of a class whose configuration class is known.
      const optional = given?.kind === "Constant" && given.value === null && CONFIG_NAME.test(name);
      if (optional && this.isModel(defined)) required.push(name);
    }
    if (required.length === 0) return undefined;
    const kwargs = new Map<string, Value>();
    for (const name of required) {
      const slot = this.slot(defined, name);
      const found = slot && value(slot);
      if (found === undefined) return undefined;
      kwargs.set(name, found);
      if (slot?.guessed) guesses.push({ slot, value: found });
    }
    return { args: [], kwargs, configuration, guesses };
  }

  /** The parameter as one that takes a configuration; undefined when it takes something else. */
  private slot(defined: OfClass, name: string): Slot | undefined {
    const param = constructorParameters(defined).find((p) => p.name === name);
    if (!param) return undefined;
    const annotated = this.annotated(param.annotation, scopeOf(defined.type) ?? this.ev.globals);
    if (annotated && (CONFIG_CLASS.test(annotated.name) || CONFIG_NAME.test(name))) {
      // A base class's constructor names the base of all configurations.
      const own = this.declared(defined.type);
      const itsOwn = own !== undefined && this.declaredBy(defined.type) === own;
      const type = itsOwn || own?.mro.includes(annotated) ? own : annotated;
      return { name, type, guessed: false, named: true, rejected: NOTHING };
    }
    const own = CONFIG_NAME.test(name) ? this.declared(defined.type) : undefined;
    if (own) return { name, type: own, guessed: false, named: true, rejected: NOTHING };
    const likely = this.likely(defined, name);
    if (!CONFIG_NAME.test(name) && !(ARGUMENTS_NAME.test(name) && likely)) return undefined;
    const rejected = this.rejected.get(defined.type) ?? NOTHING;
    return { name, type: likely?.type, guessed: true, named: likely?.named ?? false, rejected };
  }

  /** `config_class = BertConfig`, or `config: BertConfig` in a class body, of the class or its bases. */
  private declared(type: PyClass): PyClass | undefined {
    for (const one of type.mro) {
      const found = this.declaredBy(one);
      if (found) return found;
    }
    return undefined;
  }

  private declaredBy(type: PyClass): PyClass | undefined {
    const member = type.members.get("config_class");
    if (member instanceof PyClass) return member;
    const annotations = type.members.get("__annotations__");
    if (!(annotations instanceof PyDict)) return undefined;
    for (const { key, value } of annotations.entries.values()) {
      if (key !== "config" || typeof value !== "string") continue;
      const found = this.annotated(value, scopeOf(type) ?? this.ev.globals);
      if (found) return found;
    }
    return undefined;
  }

  /** The class that an annotation names, of several in a union the first. */
  private annotated(annotation: string | undefined, scope: Scope): PyClass | undefined {
    for (const name of annotation?.match(/[A-Za-z_][\w.]*/g) ?? []) {
      const [first, ...rest] = name.split(".");
      let value = scope.lookup(first!);
      for (const part of rest) value = value && this.ev.tryAttribute(value, part);
      if (value instanceof PyClass && value.builtin === undefined && value !== OBJECT) return value;
    }
    return undefined;
  }

  /** Of the file's configuration classes the one whose name the model's begins with, else the only one. */
  private likely({ type }: OfClass, parameter: string): { type: PyClass; named: boolean } | undefined {
    const rejected = this.rejected.get(type);
    const classes = [...this.ev.globals.names.values()].filter(
      (v): v is PyClass =>
        v instanceof PyClass && CONFIG_CLASS.test(v.name) && !this.ev.isModuleType(v) && !rejected?.has(v),
    );
    const stem = (c: PyClass) => c.name.replace(CONFIG_CLASS, "").toLowerCase();
    const name = type.name.toLowerCase();
    const prefix = parameter.replace(CONFIG_NAME, "$1").replaceAll("_", "");
    const named = classes
      .filter((c) => stem(c) !== "" && (name.startsWith(stem(c)) || (prefix !== "" && stem(c).endsWith(prefix))))
      .sort((a, b) => stem(b).length - stem(a).length);
    const found = named[0] ?? (classes.length === 1 ? classes[0] : undefined);
    return found && { type: found, named: found === named[0] };
  }

  private chosenOrFirst(slot: Slot): Value | undefined {
    const { chosenName } = this;
    const chosen = chosenName === undefined ? undefined : this.instanceOf(slot, chosenName);
    return (chosen ?? this.instanceOf(slot, undefined))?.value;
  }

  private instanceOf(slot: Slot, name: string | undefined): { value: Value; label: string } | undefined {
    for (const instance of this.instances(slot)) {
      if (name !== undefined && instance.name !== name) continue;
      this.foundChosen ||= name !== undefined;
      const value = instance.value();
      if (value !== undefined) return { value, label: instance.label };
    }
    return undefined;
  }

  /** Those that have a name first. */
  private *instances({ type, name, rejected }: Slot): Generator<Instance> {
    const { globals } = this.ev;
    const places: SourcePlace[] = [];
    for (const [variable, value] of globals.names) {
      if (!type || classOf(value) !== type) continue;
      const place = value instanceof PyObject ? value.place : undefined;
      if (place) places.push(place);
      yield { name: variable, label: variable, place, value: () => value };
    }
    if (type) yield* this.calls(type, places);
    // GPT_CONFIG_124M = {"emb_dim": 768, ...}
    if (type && !type.mro.some((c) => c.name === "dict")) return;
    for (const [variable, value] of globals.names) {
      const named = CONFIG_NAME.test(variable.toLowerCase()) || /(^|_)(config|cfg)(_|$)/i.test(variable);
      if (named && !rejected.has(value) && this.isUsedAs(value, name))
        yield { name: variable, label: variable, place: this.sites.assignment(variable), value: () => value };
    }
  }

  /** Instances that the file makes and keeps in no global name. */
  private *calls(type: PyClass, named: readonly SourcePlace[]): Generator<Instance> {
    const counts = new Map<string, number>();
    for (const { call, within, args, kwargs } of this.sites.constructions(type)) {
      const place = this.ev.main.place(call);
      if (named.some((other) => samePlace(other, place))) continue;
      const name = within === undefined ? type.name : `${type.name} in ${within}()`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      yield {
        name: count === 1 ? name : `${name} (${count})`,
        label: `the ${type.name} at ${lineText(place)}`,
        place,
        value: () => this.once(`call ${call.start}`, () => this.make(type, kwargs, args)),
      };
    }
  }

  /** A dict whose keys the source asks the parameter for, or a namespace. */
  private isUsedAs(value: Value, parameter: string): boolean {
    if (value instanceof PyDict) {
      const { text } = this.ev.main;
      return [...value.entries.values()].some(({ key }) =>
        [`${parameter}["${String(key)}"]`, `${parameter}['${String(key)}']`].some((use) => text.includes(use)),
      );
    }
    return value instanceof PyObject && value.type === simpleNamespace;
  }

  /** A configuration of the class, or undefined when that cannot be made. */
  private make(type: PyClass, kwargs: ReadonlyMap<string, Value>, args: readonly Value[] = []): Value | undefined {
    const { value: made } = this.ev.attempt(() => this.ev.call(type, args, kwargs), STEPS);
    return made instanceof Unknown ? undefined : made;
  }

  /** The configuration that the file holds for the class: itself, or a part of it such as `text_config`. */
  private read(json: ConfigFile, { type, name, guessed }: Slot): Value | undefined {
    const plain = () => {
      const chosen = this.choice && partRead(partsOf(json.fields), name, this.ev.main.text);
      const fields = asRecord(json.fields[name]) ?? chosen ?? json.fields;
      const subscripted = new RegExp(`\\b${name}\\[["']`).test(this.ev.main.text);
      return subscripted ? pythonValue(fields) : namespaceOf(fields);
    };
    if (!type) return plain();
    const fields = fieldsFor(json, type, (message) => this.ev.problem(message, "warning", this.start));
    if (!fields) return undefined;
    const accepted = acceptedBy(type);
    const entries = Object.entries(fields).filter(([key]) => accepted === undefined || accepted.has(key));
    if (entries.length === 0) return guessed ? plain() : undefined;
    return this.make(type, new Map(entries.map(([key, value]) => [key, pythonValue(value)])));
  }
}

function samePlace(a: SourcePlace, b: SourcePlace): boolean {
  return a.file === b.file && a.cell === b.cell && a.line === b.line && a.column === b.column;
}

/** The scope that the class's methods were defined in. */
function scopeOf(type: PyClass): Scope | undefined {
  for (const member of type.members.values()) if (member instanceof PyFunction) return member.scope as Scope;
  return undefined;
}
