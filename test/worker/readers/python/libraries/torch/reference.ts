import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import { convert } from "../../../../../../src/worker/formats/convert";
import type { DType } from "../../../../../../src/worker/formats/dtype";
import type { Tensor } from "../../../../../../src/worker/formats/tensor";
import type { Model, ModelFile } from "../../../../../../src/worker/readers/model";

/** Results of PyTorch's that the fixtures keep, and their comparison with what a traced model computes. */

/** A tensor as the scripts of test/fixtures/torch write it; infinities and NaN as text. */
export interface Described {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly values: readonly (number | string | boolean)[];
}

/** A fixture of test/fixtures/torch. */
export function reference<T>(name: string): T {
  return JSON.parse(readFileSync(join(__dirname, "../../../../../fixtures/torch", name), "utf8"));
}

/** A fixture whose results are all computed from the same inputs. */
export class Reference<Result> {
  readonly results: readonly Result[];
  /** The inputs to trace with. */
  readonly inputs: { readonly name: string; readonly shape: readonly number[]; readonly dtype: DType }[];
  /** The parameters of `forward` after `self`, as Python writes them. */
  readonly parameters: string;
  private readonly values: Readonly<Record<string, Described>>;

  constructor(name: string) {
    const { inputs, results } = reference<{ inputs: Record<string, Described>; results: Result[] }>(name);
    this.results = results;
    this.values = inputs;
    this.inputs = Object.entries(inputs).map(([key, { shape, dtype }]) => ({ name: key, shape, dtype }));
    this.parameters = Object.keys(inputs).join(", ");
  }

  /**
   * Traces and runs a model on the inputs, and fails unless its outputs have PyTorch's shapes, dtypes and values, within
   * `room` of their size or of one.
   */
  async compare(
    model: Model,
    expected: readonly Described[],
    room: (dtype: DType) => number = roomOf,
    parameters: ReadonlyMap<string, Tensor> = new Map(),
  ): Promise<void> {
    const { graph } = model.trace({ inputs: this.inputs });
    const nodes = [...graph.outputs.values()];
    assert.deepEqual(
      nodes.map(({ shape, dtype }) => [shape, dtype]),
      expected.map(({ shape, dtype }) => [shape, dtype]),
    );
    const executable = await onnxruntimeEngine("cpu").compile(graph, { parameters });
    const feeds = new Map(graph.inputs.map(({ attrs }) => [attrs.name, tensorOf(this.values[attrs.name]!)]));
    const outputs = [...(await executable.run(feeds)).values()];
    for (const [which, { values, dtype }] of expected.entries()) {
      const data = numbersOf(await outputs[which]!.read());
      assert.equal(data.length, values.length);
      for (const [i, value] of values.map(numberOf).entries()) near(data[i]!, value, `element ${i}`, room(dtype));
    }
    for (const output of outputs) output.dispose();
    await executable.dispose();
  }
}

/** A few units in the last place of a few dozen terms in another order, by the dtype's precision. */
function roomOf(dtype: DType): number {
  return ROOM[dtype] ?? 4e-6;
}
const ROOM: Partial<Record<DType, number>> = { float64: 1e-6, float16: 2e-3, bfloat16: 1.6e-2 };

/** The file's only model, or an error with what the file is said to have wrong. */
export function onlyModel(file: ModelFile): Model {
  const [model] = file.models;
  assert.ok(model, file.problems.map((p) => p.message).join("; "));
  return model;
}

const NAMED: Readonly<Record<string, number>> = { inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY };

export function numberOf(value: number | string | boolean): number {
  return typeof value === "string" ? (NAMED[value] ?? Number.NaN) : Number(value);
}

export function tensorOf({ shape, dtype, values }: Described): Tensor {
  return convert({ dtype: "float64", shape, data: Float64Array.from(values, numberOf) }, dtype);
}

export function numbersOf(tensor: Tensor): Float64Array {
  return convert(tensor, "float64").data as Float64Array;
}

export function near(actual: number, expected: number, what: string, room: number): void {
  const same = actual === expected || (Number.isNaN(actual) && Number.isNaN(expected));
  const close = Math.abs(actual - expected) <= room * Math.max(1, Math.abs(expected));
  assert.ok(same || close, `${what} is ${actual}, PyTorch's is ${expected}`);
}
