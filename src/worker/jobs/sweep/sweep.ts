import { stat } from "node:fs/promises";
import type { SweepRequest, TrainRequest } from "../../../protocol/jobs";
import type { TrainReport } from "../../../protocol/reports";
import type { SweepReport, SweepRun } from "../../../protocol/reports/sweep";
import { chooseEngine } from "../../engines/choose";
import { inWords, UserError } from "../../formats/errors";
import { insideFolder, makeFolder, replaceFile } from "../../formats/files";
import { adapterBytes } from "../../lora/variants/costs";
import { Estimate, type JobContext } from "../context";
import { train } from "../train/train";
import { findings } from "./insights";
import { alphaNote, alphaPerRank, folderOf, trainings } from "./runs";
import { SWEEP_FILE } from "./saved";

/**
 * Trains the same model on the same data once per rank, each run exactly as `train` does it, and compares the results.
 * sweep.json is written after each run, so that it always describes the adapters beside it. A stop ends the run that
 * is under way without saving it, because a shorter training cannot be compared, and reports the finished ranks.
 */
export async function sweep(request: SweepRequest, context: JobContext): Promise<SweepReport> {
  const started = performance.now();
  const wanted = trainings(request);
  const ranks = [...wanted.keys()];
  const files = await fileStates(request);
  context.onProgress({ message: "Starting the engine", fraction: 0, sweep: [] });
  // Here, so that the first rank's duration does not include it.
  await chooseEngine(request.engine);
  const folder = await makeFolder(request.output);
  const finished: Finished[] = [];
  let report: SweepReport | undefined;
  const runs = () => finished.map(({ run }) => run);
  const estimate = new Estimate((progress) => context.onProgress({ ...progress, sweep: runs() }));
  const ending = AbortSignal.any([context.signal, context.stop]);

  for (const [index, [rank, training]] of [...wanted].entries()) {
    context.signal.throwIfAborted();
    if (context.stop.aborted) break;
    const done = await attempt(training, {
      // The run is told of a stop as of a cancellation: it ends and saves nothing.
      signal: ending,
      stop: new AbortController().signal,
      onProgress: ({ message, fraction }) =>
        estimate.at((index + fraction) / ranks.length, `Rank ${rank} (${index + 1} of ${ranks.length}): ${message}`),
    }).catch((error: unknown) => {
      if (context.stop.aborted && !context.signal.aborted && error === context.stop.reason) return undefined;
      throw inContext(error, rank, report);
    });
    if (!done) break;
    if ((await fileStates(request)) !== files) {
      const changed = new UserError("the model, its weights or the data changed during the sweep; start it again");
      throw inContext(changed, rank, report);
    }
    finished.push({ rank, report: done, run: runOf(rank, done) });
    const file = await insideFolder(folder, SWEEP_FILE);
    report = {
      ...settingsOf(request, finished),
      notRun: ranks.filter((r) => !finished.some((one) => one.rank === r)),
      stopped: finished.length < ranks.length,
      seconds: (performance.now() - started) / 1000,
      finishedAt: new Date().toISOString(),
      output: { folder, files: [file] },
    };
    await replaceFile(file, `${JSON.stringify(report, null, 2)}\n`);
  }
  context.signal.throwIfAborted();
  if (!report) throw new UserError(`the sweep was stopped before rank ${ranks[0]} was finished, so it has no result`);
  return report;
}

interface Finished {
  readonly rank: number;
  readonly report: TrainReport;
  readonly run: SweepRun;
}

async function attempt(training: TrainRequest, context: JobContext): Promise<TrainReport> {
  context.signal.throwIfAborted();
  return train(training, context);
}

/** A later rank's failure: where it happened, and what of the sweep is there. */
function inContext(error: unknown, rank: number, report: SweepReport | undefined): unknown {
  if (!(error instanceof UserError) || !report) return error;
  const done = inWords(report.runs.map((run) => String(run.rank)));
  const which = report.runs.length === 1 ? `Rank ${done} is` : `Ranks ${done} are`;
  return new UserError(
    `at rank ${rank}: ${error.message}. ${which} finished; the results are in ${report.output.files[0]}`,
    error.place,
  );
}

function runOf(rank: number, { injection, trainable, percent, before, after, ...report }: TrainReport): SweepRun {
  return {
    rank,
    alpha: injection!.alpha,
    scaling: injection!.scaling,
    trainable,
    percent,
    adapterBytes: adapterBytes(trainable),
    before,
    after,
    seconds: report.seconds,
    samplesPerSecond: report.samplesPerSecond,
    folder: folderOf(rank),
  };
}

type Settings = Omit<SweepReport, "notRun" | "stopped" | "seconds" | "finishedAt" | "output">;

function settingsOf(request: SweepRequest, finished: readonly Finished[]): Settings {
  const { report } = finished[0]!;
  const runs = finished.map(({ run }) => run);
  const { samples } = report;
  const heldOut = samples.validation > 0;
  const injected = new Set(finished.flatMap((one) => one.report.injection!.warnings ?? []));
  return {
    kind: "sweep",
    model: report.model,
    file: report.file,
    data: report.data,
    label: request.label,
    weights: report.weights,
    targets: report.injection!.targets.map(({ path }) => path),
    engine: report.engine,
    device: report.device,
    loss: report.loss,
    lossLabel: report.lossLabel,
    optimizer: report.optimizer,
    schedule: report.schedule,
    samples,
    batchSize: report.batchSize,
    learningRate: report.learningRate,
    epochs: request.epochs,
    seed: report.seed,
    alphaPerRank: alphaPerRank(request),
    alphaNote: alphaNote(request),
    runs,
    ...findings(runs, heldOut ? samples.validation : samples.train),
    warnings: [
      ...(heldOut ? [] : ["No samples are held out, so the results are those on the training samples."]),
      ...injected,
    ],
  };
}

/** Size and time of each file that every run reads: if one changes, the runs are not comparable. */
async function fileStates({ model, data }: SweepRequest): Promise<string> {
  const { file, text, weights } = model;
  const read = [data, ...(text === undefined ? [file] : []), ...(weights === undefined ? [] : [weights])];
  const states = read.map(async (path) => {
    try {
      const { size, mtimeMs } = await stat(path);
      return `${size} ${mtimeMs}`;
    } catch (error) {
      // The training says which file is missing, and what to do.
      if (error instanceof Error && "code" in error) return String(error.code);
      throw error;
    }
  });
  return (await Promise.all(states)).join(", ");
}
