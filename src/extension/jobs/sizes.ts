import { randomUUID } from "node:crypto";
import { JOBS } from "../../protocol/jobRegistry";
import type { SizesQuestion, SizesReport, SizesRequest } from "../../protocol/reports/sizes";
import { type CommandContext, requireTrust } from "../context";
import { chooseModel } from "../modelFile";
import { jobId } from "./jobs";
import { modelChoice, runInPanel } from "./report";

/** Compares the common layer sizes: with those of a model where the command was given at one, else without a model. */
export async function sizes(context: CommandContext, argument: unknown): Promise<void> {
  requireTrust(JOBS.sizes.needsTrust);
  if (argument === undefined) return runInPanel<SizesRequest>(context, undefined, { kind: "sizes" });
  const model = await chooseModel(context.client, argument);
  if (!model) return;
  await runInPanel<SizesRequest>(context, model, {
    kind: "sizes",
    model: modelChoice(context, model),
    common: true,
  });
}

/** The answer to a question of the page; undefined when the person chose no model. */
export async function compareSizes(
  context: Pick<CommandContext, "client" | "jobs" | "memory">,
  { openModel, ...question }: SizesQuestion,
): Promise<SizesReport | undefined> {
  const model = openModel ? await chooseModel(context.client, undefined) : undefined;
  if (openModel && !model) return undefined;
  const job: SizesRequest = { kind: "sizes", ...question, ...(model && { model: modelChoice(context, model) }) };
  // Each question is a job of its own: an earlier one need not be over.
  const id = `${jobId(job)}:${randomUUID()}`;
  return context.jobs.run(id, job, JOBS.sizes.verb, { onProgress: () => undefined });
}
