import type { Tensor } from "../../formats/tensor";
import { initializeAdapter } from "../../lora/init/initialize";
import type { Outputs, VerifySubject } from "./subject";

/** Runs that the checks share; each is made once. */
export interface Runs {
  readonly subject: VerifySubject;
  readonly runBase: () => Promise<Outputs>;
  readonly runAdapted: (tensors: ReadonlyMap<string, Tensor>) => Promise<Outputs>;
  /** Base output, before anything else ran. */
  readonly base: Outputs;
  /** Output of the base before the adapter's initialization changed it. */
  readonly given: Outputs;
  /** As injected: B is zero. */
  readonly fresh: ReadonlyMap<string, Tensor>;
  /** B random, or the trained values: with B zero most checks could not fail. */
  readonly perturbed: ReadonlyMap<string, Tensor>;
  readonly outputPerturbed: Outputs;
}

export async function prepare(subject: VerifySubject): Promise<Runs> {
  const { adapter, opened } = subject;
  const base = await subject.compile(subject.base);
  const adapted = await subject.compile(subject.adapted());
  const runBase = () => base(subject.feeds);
  const runAdapted = (tensors: ReadonlyMap<string, Tensor>) => adapted(subject.withAdapter(tensors));
  const { layers, config } = adapter;
  const drawn = (init: unknown, seed: number) => initializeAdapter(layers, init, seed, opened.values);
  const fresh = adapter.initial ?? (await drawn(config.init_lora_weights, opened.seed));
  const perturbed = adapter.tensors ?? (await drawn(false, opened.seed + 1));
  const output = await runBase();
  const changed = subject.given !== opened.values;
  return {
    subject,
    runBase,
    runAdapted,
    base: output,
    given: changed ? await (await subject.compile(subject.base, subject.given))(subject.feeds) : output,
    fresh,
    perturbed,
    outputPerturbed: await runAdapted(perturbed),
  };
}
