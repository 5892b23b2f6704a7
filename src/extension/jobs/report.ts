import { basename } from "node:path";
import { JOBS, type JobRequest } from "../../protocol/jobRegistry";
import type { AnalyzeRequest, ModelChoice, SummarizeRequest, VerifyRequest } from "../../protocol/jobs";
import type { GivenConfig } from "../../protocol/lora";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { isCancellation, messageOf, Notice, remedyFor, showError } from "../errors";
import { type ChosenModel, chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { jobId } from "./jobs";

/** Verify, Analyze and Summarize: jobs whose result is a page. */
export async function verify(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.verify.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const saved = await savedAdapter(context, model);
  await runInPanel<VerifyRequest>(context, model, {
    kind: "verify",
    model: modelChoice(context, model),
    adapter: saved?.adapter ?? defaultAdapter(),
    ...(saved?.trained ? { adapterFolder: saved.folder } : {}),
    engine: readSettings().engine,
  });
}

export async function analyze(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.analyze.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const saved = await savedAdapter(context, model);
  await runInPanel<AnalyzeRequest>(context, model, {
    kind: "analyze",
    model: modelChoice(context, model),
    adapter: saved?.adapter ?? defaultAdapter(),
    ...(model.layer === undefined ? {} : { focus: model.layer }),
  });
}

export async function summarize(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.summarize.needsTrust);
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  const saved = await savedAdapter(context, model);
  await runInPanel<SummarizeRequest>(context, model, {
    kind: "summarize",
    model: modelChoice(context, model),
    adapter: saved?.adapter ?? defaultAdapter(),
  });
}

export function modelChoice({ memory }: Pick<CommandContext, "memory">, model: ChosenModel): ModelChoice {
  const { weights } = memory.of(model);
  const { allowMissing, training } = readSettings();
  return {
    file: model.file,
    class: model.class,
    ...(weights === undefined ? {} : { weights }),
    ...(allowMissing.length > 0 && { allowMissing }),
    seed: training.seed,
  };
}

/** Without a configuration kept for the model: the settings' rank and alpha on every Linear but the output head. */
export function defaultAdapter(): GivenConfig {
  const { rank, alpha } = readSettings();
  return { r: rank, lora_alpha: alpha };
}

/** Each message carries all losses so far, so the more there are the rarer they are sent: a million every 5 seconds. */
const LOSSES_PER_MS = 200;

/** Runs a job with its page open: progress, then the report or what went wrong. While it runs, asking again shows its page. */
export async function runInPanel<J extends JobRequest>(
  { jobs, panels }: CommandContext,
  model: ChosenModel | undefined,
  job: J,
): Promise<void> {
  const { verb } = JOBS[job.kind];
  const title = model ? `${verb} ${model.class}` : verb;
  const id = jobId(job);
  if (jobs.has(id)) {
    if (!panels.reveal(id)) throw new Notice(`"${title}" is still running; stop it or wait for it to finish`);
    return;
  }
  const losses: number[] = [];
  const panel = panels.open(id, model ? `${title} (${basename(model.file)})` : title, {
    type: "running",
    title,
    progress: { message: "Starting", fraction: 0 },
    losses,
  });
  let nextShown = 0;
  const listeners = [
    panel.onStop(() => void jobs.stop(id).catch(showError)),
    // A job that can finish early, such as training, goes on without its page: the notification and the status still show it.
    panel.onDispose(() => {
      if (!JOBS[job.kind].finishesEarly) void jobs.stop(id).catch(showError);
    }),
  ];
  try {
    const report = await jobs.run<JobRequest>(id, job, title, {
      onProgress: (progress) => {
        losses.push(...(progress.training?.losses ?? []));
        if (performance.now() < nextShown) return;
        panel.show({ type: "running", title, progress, losses });
        nextShown = performance.now() + losses.length / LOSSES_PER_MS;
      },
    });
    panel.show({ type: "report", report });
  } catch (error) {
    panel.show({ type: "failed", title, message: isCancellation(error) ? "The job was cancelled." : messageOf(error) });
    // A visible page already shows the error, but not its remedy.
    if (!panel.inSight || remedyFor(error)) await showError(error);
  } finally {
    for (const listener of listeners) listener.dispose();
  }
}
