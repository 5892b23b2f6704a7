import { readFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { Command } from "commander";
import type { JobRequest, Report, ReportOf } from "../../protocol/jobRegistry";
import type { EngineChoice, JobProgress } from "../../protocol/jobs";
import type { Place } from "../../protocol/model";
import { TRAIN_METHODS, type TrainMethod } from "../../protocol/training";
import { listEngines } from "../engines/choose";
import { UserError } from "../formats/errors";
import { replaceFile } from "../formats/files";
import { printGraph } from "../graph/print";
import { planAdapter } from "../jobs/adapter";
import { standaloneHtml } from "../jobs/html";
import { runJob } from "../jobs/run";
import { removeDropout } from "../passes/dropout";
import { injectLora } from "../passes/lora";
import { chooseModel, openChosen, openChosenModel } from "../readers/open";
import { summarize } from "../readers/summary";
import { EXIT } from "./failure";
import {
  type AdapterOptions,
  adapterChoice,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  number,
  type ReadChoice,
  whole,
  withAdapter,
  withEngine,
  withInputs,
  withModel,
  withReading,
} from "./options";
import { runModel } from "./run";
import { analyzeText, enginesText, layersText, mergeText, trainText, verifyText, warningLines } from "./text";

export interface CliIO {
  out(text: string): void;
  /** Progress and remarks; never part of `--json`. */
  note(text: string): void;
  /** Redraws one line when it is a terminal. */
  readonly interactive: boolean;
  /** Resolves the built page's files, for `--html`. */
  readonly mediaFolder: string;
  /** First Ctrl-C: finish early. Second: end. */
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/** In a notebook, the cell that a line is counted in. */
function cellOf({ cell }: Place): { readonly cell?: number } {
  return cell === undefined ? {} : { cell };
}

interface Json {
  readonly json?: boolean;
}
type Engined = { readonly engine: EngineChoice };

/** The command line. Each action resolves to an exit code, handed to `done`. */
export function commandLine(io: CliIO, done: (code: number) => void, serve: (options: ServeOptions) => void): Command {
  const program = new Command("lora-lens")
    .description("LoRA on PyTorch model files, without running them: layers, costs, verification, training, merging.")
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.note(text),
      outputError: (text, write) => write(`lora-lens: ${oneLine(text)} (--help tells more)\n`),
    })
    .exitOverride();

  const print = (options: Json, value: unknown, text: () => string) =>
    io.out(options.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);

  const add = (name: string, description: string) =>
    program.command(name).description(description).option("--json", "print JSON");

  const job = async <K extends JobRequest["kind"]>(request: Extract<JobRequest, { kind: K }>): Promise<ReportOf[K]> => {
    const report = await runJob(request, { onProgress: progressLine(io), signal: io.signal, stop: io.stop });
    if (io.interactive) io.note("\r\x1b[K");
    return report as ReportOf[K];
  };

  withReading(add("layers <file>", "list each model's layers: path, kind, in, out, bias, parameters, line"))
    .option("--class <name>", "list this class alone")
    .action(async (file: string, options: Json & ReadChoice & { class?: string }) => {
      const opened = await openChosen(modelChoice(file, { ...options, seed: 0 }));
      const models = options.class === undefined ? opened.models : [chooseModel(opened, options.class)];
      const summary = summarize({ ...opened, models });
      const listed = summary.models.map(({ place, layers, ...model }) => ({
        ...model,
        ...cellOf(place),
        layers: layers.map(({ place, ...layer }) => ({ ...layer, ...cellOf(place) })),
      }));
      const problems = summary.problems.map(({ line, message, place }) => ({ line, ...cellOf(place), message }));
      print(
        options,
        { models: listed, problems },
        () => layersText(summary) || `${file} defines no model (no class of nn.Module, and no module is made)`,
      );
      done(EXIT.fine);
    });

  withInputs(withAdapter(withModel(add("graph <file>", "print the traced graph of forward"))))
    .option("--lora", "with the adapters injected")
    .option("--places", "with the source line of each node")
    .option("--training", "in training mode")
    .action(
      async (
        file: string,
        options: Json &
          ModelOptions &
          InputOptions &
          AdapterOptions & { lora?: boolean; places?: boolean; training?: boolean },
      ) => {
        const model = await openChosenModel(modelChoice(file, options));
        let { graph } = model.trace({ training: options.training ?? false });
        if (options.lora) {
          const { targets, config } = planAdapter(model, adapterChoice(options));
          graph = injectLora(graph, targets, config);
        }
        if (!options.training) graph = removeDropout(graph);
        const text = printGraph(graph, { places: options.places ?? false });
        print(options, { class: model.className, graph: text }, () => text.trimEnd());
        done(EXIT.fine);
      },
    );

  withInputs(withAdapter(withModel(add("analyze <file>", "what LoRA costs and saves, over layers and ranks"))))
    .option("--ranks <list>", "ranks of the table, comma-separated", (text: string) => text.split(",").map(whole))
    .option("--layer <path>", "layer to show first")
    .option("--html <file>", "write the report as one HTML page")
    .action(
      async (
        file: string,
        options: Json &
          ModelOptions &
          InputOptions &
          AdapterOptions & { ranks?: number[]; layer?: string; html?: string },
      ) => {
        const report = await job<"analyze">({
          kind: "analyze",
          model: modelChoice(file, options),
          adapter: adapterChoice(options),
          ...(options.ranks && { ranks: options.ranks }),
          ...(options.layer !== undefined && { focus: options.layer }),
        });
        if (options.html !== undefined) await writeHtml(io, options.html, report);
        print(options, report, () => analyzeText(report));
        done(EXIT.fine);
      },
    );

  withInputs(
    withEngine(withAdapter(withModel(add("verify <file>", "check that the adapted model is numerically right")))),
  )
    .option("--adapter <folder>", "verify this saved adapter")
    .option("--html <file>", "write the report as one HTML page")
    .action(
      async (
        file: string,
        options: Json & ModelOptions & InputOptions & AdapterOptions & Engined & { adapter?: string; html?: string },
      ) => {
        const report = await job<"verify">({
          kind: "verify",
          model: modelChoice(file, options),
          adapter: adapterChoice(options),
          ...(options.adapter !== undefined && { adapterFolder: resolve(options.adapter) }),
          engine: options.engine,
        });
        if (options.html !== undefined) await writeHtml(io, options.html, report);
        print(options, report, () => verifyText(report));
        done(report.passed ? EXIT.fine : EXIT.checkFailed);
      },
    );

  withInputs(withEngine(withAdapter(withModel(add("train <file>", "train an adapter on a CSV file")))))
    .requiredOption("--data <csv>", "a CSV file with a header line")
    .requiredOption("--label <column>", "the column to predict")
    .requiredOption("--out <folder>", "folder for the adapter")
    .option("--method <name>", "lora, full, or head (the last layer only)", "lora")
    .option("--epochs <n>", "passes over the data", whole, 10)
    .option("--batch-size <n>", "samples a step", whole, 32)
    .option("--learning-rate <x>", "Adam's (default: 1e-3 for lora and head, 1e-4 for full)", number)
    .option("--weight-decay <x>", "AdamW's (default: 0)", number)
    .option("--validation <share>", "part of the rows held out", number, 0.2)
    .option("--html <file>", "write the report as one HTML page")
    .action(
      async (file: string, options: Json & ModelOptions & InputOptions & AdapterOptions & Engined & TrainOptions) => {
        if (!Object.hasOwn(TRAIN_METHODS, options.method)) {
          throw new UserError(`--method must be ${Object.keys(TRAIN_METHODS).join(", ")}, not "${options.method}"`);
        }
        const report = await job<"train">({
          kind: "train",
          model: modelChoice(file, options),
          adapter: adapterChoice(options),
          method: options.method as TrainMethod,
          data: resolve(options.data),
          label: options.label,
          output: resolve(options.out),
          epochs: options.epochs,
          batchSize: options.batchSize,
          ...(options.learningRate !== undefined && { learningRate: options.learningRate }),
          ...(options.weightDecay !== undefined && { weightDecay: options.weightDecay }),
          validation: options.validation,
          engine: options.engine,
        });
        if (options.html !== undefined) await writeHtml(io, options.html, report);
        print(options, report, () => trainText(report));
        done(EXIT.fine);
      },
    );

  withInputs(withModel(add("merge <file>", "add a saved adapter to the base weights and write them all")))
    .requiredOption("--adapter <folder>", "the adapter")
    .requiredOption(
      "--out <path>",
      "the .safetensors file to write, or a folder for a whole checkpoint: weights in shards as the base's, its configuration and tokenizer",
    )
    .action(async (file: string, options: Json & ModelOptions & InputOptions & { adapter: string; out: string }) => {
      const report = await job<"merge">({
        kind: "merge",
        model: modelChoice(file, options),
        adapterFolder: resolve(options.adapter),
        // A slash at its end says that it is a folder.
        output: `${resolve(options.out)}${/[/\\]$/.test(options.out) ? sep : ""}`,
      });
      print(options, report, () => mergeText(report));
      done(EXIT.fine);
    });

  withInputs(withModel(add("export <file>", "write a Keras model with a saved adapter merged in, for another library")))
    .requiredOption("--to <format>", "tfjs: a TensorFlow.js layers model")
    .requiredOption("--adapter <folder>", "the adapter")
    .requiredOption("--out <folder>", "the folder that receives model.json and its weights")
    .action(
      async (
        file: string,
        options: Json & ModelOptions & InputOptions & { to: string; adapter: string; out: string },
      ) => {
        if (options.to !== "tfjs") throw new UserError(`--to must be tfjs, not "${options.to}"`);
        const report = await job<"merge">({
          kind: "merge",
          model: modelChoice(file, options),
          adapterFolder: resolve(options.adapter),
          output: join(resolve(options.out), "model.json"),
        });
        print(options, report, () => mergeText(report));
        done(EXIT.fine);
      },
    );

  withEngine(withModel(add("run <file>", "evaluate forward on the arrays of an .npz file")))
    .option("--adapter <folder>", "with this saved adapter")
    .requiredOption("--inputs <npz>", "arrays by the names of forward's parameters")
    .requiredOption("--out <npz>", "the .npz file to write")
    .action(
      async (
        file: string,
        options: Json & ModelOptions & Engined & { adapter?: string; inputs: string; out: string },
      ) => {
        const { inputs: _, ...choice } = modelChoice(file, options);
        const progress = progressLine(io);
        const result = await runModel(
          {
            model: choice,
            ...(options.adapter !== undefined && { adapterFolder: resolve(options.adapter) }),
            inputs: resolve(options.inputs),
            output: resolve(options.out),
            engine: options.engine,
          },
          { signal: io.signal, onProgress: (fraction, message) => progress({ fraction, message }) },
        );
        if (io.interactive) io.note("\r\x1b[K");
        print(options, result, () =>
          [
            ...warningLines([...result.weights.notes, ...(result.warnings ?? [])]),
            `weights: ${result.weights.from}`,
            `wrote ${result.output}: ${result.outputs.map((o) => `${o.name} ${o.dtype}[${o.shape.join(", ")}]`).join(", ")}`,
          ].join("\n"),
        );
        done(EXIT.fine);
      },
    );

  add("engines", "what can run here, and why the rest cannot").action(async (options: Json) => {
    const engines = await listEngines();
    print(options, { engines }, () => enginesText(engines));
    done(EXIT.fine);
  });

  program
    .command("serve")
    .description("serve the Language Server Protocol")
    .option("--stdio", "over standard input and output")
    .option("--node-ipc", "over the channel of the parent process")
    .option("--clientProcessId <pid>", "the editor's process, as vscode-languageclient passes it")
    .action((options: ServeOptions) => serve(options));

  return program;
}

export interface ServeOptions {
  readonly stdio?: boolean;
  readonly nodeIpc?: boolean;
}

interface TrainOptions {
  readonly data: string;
  readonly label: string;
  readonly out: string;
  readonly method: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly validation: number;
  readonly html?: string;
}

/** Commander begins with "error: " and puts its guess at a mistyped name on a line of its own. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
}

const REDRAW_MS = 100;

/** One line that is redrawn on a terminal; elsewhere a line for each new stage of at most one a second. */
function progressLine(io: CliIO): (progress: JobProgress) => void {
  let last = 0;
  return ({ message, fraction, secondsLeft, training }) => {
    if (!io.interactive) return;
    const now = performance.now();
    if (now - last < REDRAW_MS) return;
    last = now;
    const left = secondsLeft === undefined ? "" : ` · ${Math.ceil(secondsLeft)} s left`;
    const loss = training?.losses.at(-1);
    io.note(
      `\r\x1b[K${Math.floor(100 * fraction)} % ${message}${loss === undefined ? "" : ` · loss ${loss.toPrecision(4)}`}${left}`,
    );
  };
}

async function writeHtml(io: CliIO, file: string, report: Report): Promise<void> {
  const [script, style] = await Promise.all(
    ["report.js", "report.css"].map((name) => readFile(join(io.mediaFolder, name), "utf8")),
  );
  await replaceFile(resolve(file), standaloneHtml(report, { script: script!, style: style! }));
}
