import type { VerifyRequest } from "../../../protocol/jobs";
import type { VerifyCheck, VerifyReport, WeightsSummary } from "../../../protocol/reports";
import { chooseEngine } from "../../engines/choose";
import { inFloat32 } from "../../passes/widen";
import { openAdapter, planAdapter } from "../adapter";
import { Estimate, type JobContext } from "../context";
import { valuesOfInputs } from "../inputs";
import { openModel, withStored } from "../opened";
import { list } from "../weights/modelWeights";
import { CHECKS } from "./checks";
import { prepare } from "./runs";
import { VerifySubject } from "./subject";

/** Checks that depend on the values of the weights; the others hold for any values. */
const OF_WEIGHTS = new Set([
  "identity-at-init",
  "merged-equals-unmerged",
  "only-adapters-have-gradients",
  "finite-differences",
  "perturbed-differs",
]);

/** A check that depends on the weights says which of them are random. */
function withRandom(check: VerifyCheck, { fresh }: WeightsSummary): VerifyCheck {
  if (fresh.length === 0 || !OF_WEIGHTS.has(check.id)) return check;
  const note = `${list(fresh)} at random, not from the weights`;
  return { ...check, detail: check.detail === undefined ? note : `${check.detail}; ${note}` };
}

/** Checks that the adapted model is numerically right; each check has a bound that follows dtype and size. */
export async function verify(request: VerifyRequest, context: JobContext): Promise<VerifyReport> {
  const started = performance.now();
  const progress = new Estimate(context.onProgress);
  progress.at(0, "Reading the model");
  const opened = await openModel(request.model);
  const { model } = opened;
  const plain = model.trace();
  const saved =
    request.adapterFolder === undefined
      ? undefined
      : await openAdapter(opened, request.adapterFolder, {
          initial: true,
          graph: plain.graph,
          signal: context.signal,
          onProgress: (fraction, message) => progress.at(0.05 * fraction, message),
        });
  const adapter = saved ?? planAdapter(model, request.adapter, plain.graph);
  // A saved adapter's base is what PEFT makes of it when it loads the adapter.
  const based = saved ? { ...opened, values: saved.values } : opened;
  const traced = withStored(plain, based.values);
  const given = await valuesOfInputs(request.model.inputs, traced.inputs);
  const { engine, device } = await chooseEngine(request.engine);
  const subject = new VerifySubject(
    engine,
    based,
    { ...traced, graph: inFloat32(traced.graph) },
    adapter,
    given,
    context.signal,
    saved?.base,
  );
  try {
    progress.at(0.05, `Compiling for ${engine.label}`);
    const runs = await prepare(subject);
    const checks: VerifyCheck[] = [];
    for (const [index, check] of CHECKS.entries()) {
      progress.at(0.1 + (0.9 * index) / CHECKS.length, `Check ${index + 1} of ${CHECKS.length}`);
      context.signal.throwIfAborted();
      const result = await check(runs);
      if (result) checks.push(withRandom(result, opened.weights));
    }
    return {
      kind: "verify",
      injection: adapter.injection,
      engine: engine.label,
      device,
      inputs: traced.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
      inputsFrom: traced.inputsFrom,
      weights: opened.weights,
      seed: opened.seed,
      seconds: (performance.now() - started) / 1000,
      passed: checks.every((check) => check.passed),
      checks,
    };
  } finally {
    await subject.dispose();
  }
}
