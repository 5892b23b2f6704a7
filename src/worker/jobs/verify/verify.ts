import type { VerifyRequest } from "../../../protocol/jobs";
import type { VerifyCheck, VerifyReport } from "../../../protocol/reports";
import { chooseEngine } from "../../engines/choose";
import { openAdapter, planAdapter } from "../adapter";
import { Estimate, type JobContext } from "../context";
import { valuesOfInputs } from "../inputs";
import { openModel } from "../opened";
import { CHECKS, prepare } from "./checks";
import { VerifySubject } from "./subject";

/** Checks that the adapted model is numerically right; each check has a bound that follows dtype and size. */
export async function verify(request: VerifyRequest, context: JobContext): Promise<VerifyReport> {
  const started = performance.now();
  const progress = new Estimate(context.onProgress);
  progress.at(0, "Reading the model");
  const opened = await openModel(request.model);
  const { model } = opened;
  const adapter =
    request.adapterFolder === undefined
      ? planAdapter(model, request.adapter)
      : await openAdapter(model, request.adapterFolder);
  const traced = model.trace();
  const given = await valuesOfInputs(request.model.inputs, traced.inputs);
  const { engine, device } = await chooseEngine(request.engine);
  const subject = new VerifySubject(engine, opened, traced, adapter, given, context.signal);
  try {
    progress.at(0.05, `Compiling for ${engine.label}`);
    const runs = await prepare(subject);
    const checks: VerifyCheck[] = [];
    for (const check of CHECKS) {
      progress.at(0.1 + (0.9 * checks.length) / CHECKS.length, `Check ${checks.length + 1} of ${CHECKS.length}`);
      context.signal.throwIfAborted();
      checks.push(await check(runs));
    }
    return {
      kind: "verify",
      injection: adapter.injection,
      engine: engine.label,
      device,
      inputs: traced.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
      inputsFrom: traced.inputsFrom,
      weights: opened.weightsFrom,
      seed: opened.seed,
      seconds: (performance.now() - started) / 1000,
      passed: checks.every((check) => check.passed),
      checks,
    };
  } finally {
    await subject.dispose();
  }
}
