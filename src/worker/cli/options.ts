import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ConfigurationChoice, EngineChoice, ModelChoice } from "../../protocol/jobs";
import type { GivenConfig } from "../../protocol/lora";
import { engines } from "../engines/choose";
import { UserError } from "../formats/errors";
import { weightsHelp } from "../jobs/weights/registry";
import { pythonEnvironment } from "../readers/python/imports/sitePackages";

/** Options that several commands share, and what they mean to a job. */

export interface ModelOptions extends ReadChoice {
  readonly class?: string;
  readonly weights?: string;
  readonly allowMissing?: string;
  readonly seed: number;
}

/** How the file is read. */
export interface ReadChoice {
  readonly python?: string;
  readonly config?: string;
}

export interface InputOptions {
  readonly inputs?: string;
  readonly inputShape?: Readonly<Record<string, string>>;
}

export interface AdapterOptions {
  readonly rank?: number;
  readonly alpha?: number;
  readonly dropout?: number;
  readonly targetModules?: string;
  readonly excludeModules?: string;
  readonly rslora?: boolean;
}

export const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("it must be a number");
  return value;
};

export const whole = (text: string): number => {
  const value = number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("it must be a whole number");
  return value;
};

export function withReading(command: Command): Command {
  return command
    .option(
      "--python <interpreter>",
      "Python interpreter or environment folder: imports are read from its installed packages; it is not run",
    )
    .option(
      "--config <source>",
      'source of the model\'s configuration: a JSON or YAML file, "instance" for the one that the source makes, "instance:NAME" for one of several, or "defaults" for the class\'s own (default: config.json beside the file, then these)',
    );
}

/** @throws UserError when there is no such interpreter, or it has no packages. */
function packagesOf({ python }: ReadChoice): readonly string[] | undefined {
  if (python === undefined) return undefined;
  const found = pythonEnvironment(python);
  if (found && found.folders.length > 0) return found.folders;
  const why = (found?.notes ?? []).map((note) => `; ${note}`).join("");
  throw new UserError(
    `no installed packages were found for ${python}: name the interpreter of an environment, such as .venv/bin/python, or the environment's folder${why}`,
    { file: python },
  );
}

/** How the options say the file is to be read. */
export function readingOf(options: ReadChoice): Pick<ModelChoice, "packages" | "configuration"> {
  const packages = packagesOf(options);
  const { config } = options;
  return {
    ...(packages && { packages }),
    ...(config !== undefined && { configuration: configurationOf(config) }),
  };
}

function configurationOf(config: string): ConfigurationChoice {
  if (config === "instance" || config === "defaults") return { source: config };
  const named = /^instance:(.+)$/.exec(config);
  return named ? { source: "instance", name: named[1]! } : { source: "json", file: resolve(config) };
}

export function withModel(command: Command): Command {
  return withReading(command)
    .option(
      "--class <name>",
      "model class, or name of a module that the file makes; required when the file has several",
    )
    .option("--weights <file>", `weights of the base model: ${weightsHelp()}`)
    .option(
      "--allow-missing <names>",
      "tensors or modules that may be missing from the weights, comma-separated; they are initialized at random",
    )
    .option("--seed <n>", "random seed, also of the default initialization when no weights are given", whole, 0);
}

/** For commands that trace forward and take its inputs' values, if any, as examples. */
export function withInputs(command: Command): Command {
  return withInputShape(command).option(
    "--inputs <npz>",
    "example inputs: an .npz file with an array for each parameter of forward",
  );
}

export function withInputShape(command: Command): Command {
  return command.option(
    "--input-shape <name=shape>",
    "shape of an example input, such as x=1,3,224,224; ids=2,16:int64 gives a dtype, mask=none passes None; repeatable",
    (text: string, before: Readonly<Record<string, string>> = {}) => ({ ...before, ...namedShape(text, before) }),
  );
}

function namedShape(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, shape] = /^\s*([^\s=]+)\s*=(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("it must name an input: x=1,3,224,224");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`the shape of input ${name} is given twice`);
  return Object.fromEntries([[name, shape!]]);
}

export function withAdapter(command: Command): Command {
  return withTargets(
    command
      .option("--rank <r>", "rank of the adapters (default: 8)", whole)
      .option("--alpha <a>", "lora_alpha (default: twice the rank)", number),
  );
}

/** What an adapter is put on, and all of its configuration but rank and alpha. */
export function withTargets(command: Command): Command {
  return command
    .option("--dropout <p>", "dropout on the adapters' input (default: 0)", number)
    .option("--target-modules <names>", 'names or path suffixes, comma-separated; "all-linear"; or "regex:PATTERN"')
    .option("--exclude-modules <names>", "names or path suffixes to leave out, comma-separated")
    .option("--rslora", "scale by alpha / sqrt(rank)");
}

export function withEngine(command: Command): Command {
  return command.addOption(
    new Option("--engine <name>", "engine to run on")
      .choices(["auto", ...engines().map(({ id }) => id)])
      .default("auto" satisfies EngineChoice),
  );
}

export function modelChoice(file: string, options: ModelOptions & InputOptions): ModelChoice {
  const { inputs, inputShape } = options;
  return {
    ...((inputs !== undefined || inputShape) && {
      inputs: { ...(inputShape && { shapes: inputShape }), ...(inputs !== undefined && { file: resolve(inputs) }) },
    }),
    file: resolve(file),
    ...readingOf(options),
    ...(options.class !== undefined && { class: options.class }),
    ...(options.weights !== undefined && { weights: resolve(options.weights) }),
    ...(options.allowMissing !== undefined && { allowMissing: names(options.allowMissing) }),
    seed: options.seed,
  };
}

/** The configuration as far as the options give it. */
export function adapterConfig(options: AdapterOptions): GivenConfig {
  const { rank, alpha, dropout, rslora, targetModules, excludeModules } = options;
  return {
    ...(rank !== undefined && { r: rank }),
    ...(alpha !== undefined && { lora_alpha: alpha }),
    ...(dropout !== undefined && { lora_dropout: dropout }),
    ...(rslora !== undefined && { use_rslora: rslora }),
    ...(targetModules !== undefined && { target_modules: modules(targetModules) }),
    ...(excludeModules !== undefined && { exclude_modules: modules(excludeModules) }),
  };
}

function modules(text: string): readonly string[] | string {
  if (text === "all-linear") return text;
  if (text.startsWith("regex:")) return text.slice("regex:".length);
  return names(text);
}

function names(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
