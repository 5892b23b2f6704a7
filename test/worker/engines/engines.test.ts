import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, ParameterValue } from "../../../src/worker/engines/engine";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { tfjsEngine } from "../../../src/worker/engines/tfjs/engine";
import { convert } from "../../../src/worker/formats/convert";
import { UserError } from "../../../src/worker/formats/errors";
import { bytesOf, float32, int64, type Tensor, type TensorRef } from "../../../src/worker/formats/tensor";
import * as b from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import { trainTiny } from "./step";

const X = float32([2, 3], [1, -2, 3, 0.5, 0, -1]);
const W = float32([2, 3], [0.5, 1, -1, 2, 0.25, 0]);
const B = float32([2], [10, -10]);
/** X Wᵀ + B */
const Y = [5.5, -8.5, 11.25, -9];

function linearGraph(dtype: "float32" | "float16" | "bfloat16" = "float32"): Graph {
  const x = b.input("x", [2, 3], "float32");
  const weight = b.cast(b.parameter("fc.weight", [2, 3], dtype), "float32");
  const bias = b.cast(b.parameter("fc.bias", [2], dtype), "float32");
  return new Graph("fc", [x], new Map([["y", b.linear(x, weight, bias)]]));
}

const inMemory: ReadonlyMap<string, ParameterValue> = new Map([
  ["fc.weight", W],
  ["fc.bias", B],
]);

async function outputOf(
  engine: Engine,
  graph: Graph,
  parameters: ReadonlyMap<string, ParameterValue>,
): Promise<number[]> {
  const executable = await engine.compile(graph, { parameters });
  const outputs = await executable.run(new Map([["x", X]]));
  const { data } = await outputs.get("y")!.read();
  await executable.dispose();
  return Array.from(data, Number);
}

for (const engine of [onnxruntimeEngine("cpu"), tfjsEngine()]) {
  describe(engine.label, function () {
    this.timeout(20_000);
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "lora-lens-engines-"));
    });
    after(() => rm(folder, { recursive: true }));

    /** Writes a tensor's bytes at an odd offset, other bytes around them. */
    async function stored(tensor: Tensor, name: string, offset: number): Promise<TensorRef> {
      const { dtype, shape } = tensor;
      const bytes = bytesOf(tensor);
      const file = join(folder, name);
      await writeFile(file, Buffer.concat([Buffer.alloc(offset, 0xff), bytes, Buffer.alloc(5, 0xff)]));
      return { file, offset, byteLength: bytes.length, dtype, shape };
    }

    it("is available", async () => {
      const availability = await engine.available();
      assert.ok(availability.available && availability.device.length > 0);
    });

    it("takes weights from memory", async () => assert.deepEqual(await outputOf(engine, linearGraph(), inMemory), Y));

    for (const dtype of ["float32", "float16", "bfloat16"] as const) {
      it(`takes ${dtype} weights from files, at odd offsets and in several folders`, async () => {
        await mkdir(join(folder, "deep", "er"), { recursive: true });
        const weight = await stored(convert(W, dtype), `${dtype}.safetensors`, 137);
        const bias = await stored(convert(B, dtype), join("deep", "er", `${dtype}.safetensors`), 51);
        const parameters = new Map([
          ["fc.weight", weight],
          ["fc.bias", bias],
        ]);
        assert.deepEqual(await outputOf(engine, linearGraph(dtype), parameters), Y);
      });
    }

    it("takes an empty tensor from a file that is longer", async () => {
      const x = b.input("x", [2, 3], "float32");
      const y = b.concat([x, b.parameter("none", [0, 3], "float32")], 0);
      const none = await stored(float32([0, 3], []), "none.safetensors", 12);
      const graph = new Graph("concat", [x], new Map([["y", y]]));
      assert.deepEqual(await outputOf(engine, graph, new Map([["none", none]])), [...X.data]);
    });

    it("takes weights from a file and from memory at once, and through a symbolic link", async () => {
      const weight = await stored(W, "blob", 9);
      await mkdir(join(folder, "snapshot"), { recursive: true });
      const link = join(folder, "snapshot", "model.safetensors");
      await symlink(weight.file, link);
      const parameters = new Map<string, ParameterValue>([
        ["fc.weight", { ...weight, file: link }],
        ["fc.bias", B],
      ]);
      assert.deepEqual(await outputOf(engine, linearGraph(), parameters), Y);
    });

    it("says which parameter has no value, or one of another shape or dtype", async () => {
      const only = (weight: ParameterValue) => ({ parameters: new Map([["fc.weight", weight]]) });
      await assert.rejects(engine.compile(linearGraph(), only(W)), userError(/fc\.bias has no value/));
      const wide = float32([2, 4], new Float32Array(8));
      await assert.rejects(engine.compile(linearGraph(), only(wide)), userError(/fc\.weight.*\[2, 3\].*\[2, 4\]/));
      const half = convert(W, "float16");
      await assert.rejects(engine.compile(linearGraph(), only(half)), userError(/fc\.weight.*float32.*float16/));
    });

    it("says which feed is missing, unknown, or of another shape or dtype", async () => {
      const executable = await engine.compile(linearGraph(), { parameters: inMemory });
      const feed = (entries: [string, Tensor][]) => executable.run(new Map(entries));
      await assert.rejects(feed([]), userError(/needs a value for its input "x": float32 \[2, 3\]/));
      await assert.rejects(
        feed([
          ["x", X],
          ["z", X],
        ]),
        userError(/no input "z"; its inputs are x/),
      );
      await assert.rejects(feed([["x", B]]), userError(/"x" of fc is float32 \[2, 3\]; got float32 \[2\]/));
      await assert.rejects(feed([["x", int64([2, 3], [1, 2, 3, 4, 5, 6])]]), userError(/got int64 \[2, 3\]/));
      await executable.dispose();
    });

    it("takes and returns every element type", async () => {
      for (const dtype of [
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
      ] as const) {
        const x = b.input("x", [3], dtype);
        const y = b.reshape(x, [3, 1]);
        const executable = await engine.compile(
          new Graph(
            "g",
            [x],
            new Map([
              ["x", x],
              ["y", y],
            ]),
          ),
          { parameters: new Map() },
        );
        const value = convert(float32([3], [0, 1, 1]), dtype);
        const outputs = await executable.run(new Map([["x", value]]));
        assert.deepEqual(await outputs.get("x")!.read(), value, dtype);
        assert.deepEqual((await outputs.get("y")!.read()).data, value.data, dtype);
        await executable.dispose();
      }
    });

    it("returns one value under two names, and weights and constants as outputs", async () => {
      const x = b.input("x", [2, 3], "float32");
      const twice = b.add(x, x);
      const outputs = new Map<string, Node>([
        ["a", twice],
        ["b", twice],
        ["weight", b.parameter("fc.weight", [2, 3], "float32")],
        ["one", b.full(1, [2], "float32")],
      ]);
      const executable = await engine.compile(new Graph("g", [x], outputs), { parameters: inMemory });
      const results = await executable.run(new Map([["x", X]]));
      const read = async (name: string) => Array.from((await results.get(name)!.read()).data, Number);
      assert.deepEqual(
        await read("a"),
        Array.from(X.data as Float32Array, (v) => 2 * v),
      );
      assert.deepEqual(await read("b"), await read("a"));
      assert.deepEqual(await read("weight"), Array.from(W.data as Float32Array));
      assert.deepEqual(await read("one"), [1, 1]);
      for (const result of results.values()) result.dispose();
      await executable.dispose();
    });

    it("ignores the value of an input that no output needs", async () => {
      const [x, unused] = [b.input("x", [1], "float32"), b.input("unused", [1], "float32")];
      const graph = new Graph("g", [x, unused], new Map([["y", b.unary("neg", x)]]));
      const executable = await engine.compile(graph, { parameters: new Map() });
      const one = float32([1], [1]);
      const outputs = await executable.run(
        new Map([
          ["x", one],
          ["unused", one],
        ]),
      );
      assert.deepEqual((await outputs.get("y")!.read()).data, Float32Array.of(-1));
      await executable.dispose();
    });

    it("keeps a tensor that was read apart from one that is disposed of", async () => {
      const executable = await engine.compile(linearGraph(), { parameters: inMemory });
      const first = (await executable.run(new Map([["x", X]]))).get("y")!;
      const read = await first.read();
      first.dispose();
      await executable.run(new Map([["x", float32([2, 3], new Float32Array(6))]]));
      assert.deepEqual(Array.from(read.data, Number), Y);
      await executable.dispose();
    });

    it("stops before compiling when it has been cancelled", async () => {
      const signal = AbortSignal.abort(new Error("cancelled by the test"));
      await assert.rejects(engine.compile(linearGraph(), { parameters: inMemory, signal }), /cancelled by the test/);
    });

    it("trains with its state fed back", async () => {
      const { losses } = await trainTiny(engine, 8);
      for (let i = 1; i < losses.length; i++) assert.ok(losses[i]! < losses[i - 1]!, `step ${i + 1}: ${losses}`);
    });
  });
}

describe("ONNX Runtime and TensorFlow.js", () => {
  it("agree on five steps of training", async () => {
    const [ort, tfjs] = [await trainTiny(onnxruntimeEngine("cpu"), 5), await trainTiny(tfjsEngine(), 5)];
    for (const [i, loss] of ort.losses.entries()) assert.ok(Math.abs(tfjs.losses[i]! - loss) < 1e-5 * loss);
    for (const [i, value] of ort.adapters.data.entries()) {
      assert.ok(Math.abs(Number(tfjs.adapters.data[i]!) - Number(value)) < 1e-4, `adapter element ${i}`);
    }
  });

  it("refuse each other's tensors", async () => {
    const [ort, tfjs] = [onnxruntimeEngine("cpu"), tfjsEngine()];
    const x = b.input("x", [1], "float32");
    const graph = new Graph("g", [x], new Map([["x", b.unary("neg", x)]]));
    const [one, other] = [
      await ort.compile(graph, { parameters: new Map() }),
      await tfjs.compile(graph, { parameters: new Map() }),
    ];
    const result = (await one.run(new Map([["x", float32([1], [1])]]))).get("x")!;
    await assert.rejects(other.run(new Map([["x", result]])), userError(/another engine's memory/));
  });

  it("frees what TensorFlow.js made", async () => {
    const tf = await import("@tensorflow/tfjs");
    await trainTiny(tfjsEngine(), 1);
    const before = tf.memory().numTensors;
    await trainTiny(tfjsEngine(), 3);
    // Of the state that is left, the caller of trainTiny holds three tensors.
    assert.equal(tf.memory().numTensors - before, 3);
  });

  it("report an integer that is too large for TensorFlow.js", async () => {
    const x = b.input("x", [1], "int64");
    const executable = await tfjsEngine().compile(new Graph("g", [x], new Map([["x", x]])), { parameters: new Map() });
    const large: Tensor = { dtype: "int64", shape: [1], data: BigInt64Array.of(2n ** 40n) };
    await assert.rejects(executable.run(new Map([["x", large]])), userError(/1099511627776 does not fit in int32/));
  });
});

function userError(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof UserError && message.test(error.message);
}
