import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { onnxruntimeEngine } from "../../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { float32, type QuantizedTensor } from "../../../../src/worker/formats/tensor";
import { input, mul, parameter } from "../../../../src/worker/graph/build";
import { Graph } from "../../../../src/worker/graph/graph";
import type { Node } from "../../../../src/worker/graph/node";
import { runOnce } from "../../../../src/worker/jobs/opened";
import { openWeights } from "../../../../src/worker/jobs/weights/open";
import {
  formatOf,
  isOpenedHere,
  WEIGHT_FORMATS,
  weightFilesFor,
  weightsHelp,
} from "../../../../src/worker/jobs/weights/registry";
import { temporaryFolder } from "../../formats/temporaryFolder";

describe("formats of weights", () => {
  const at = temporaryFolder();

  it("are recognized by the names of files and indexes, ignoring case", () => {
    const names = {
      "model.safetensors": "safetensors",
      "MODEL.SafeTensors": "safetensors",
      "model.safetensors.index.json": "safetensors",
      "model.ckpt": "PyTorch",
      "pytorch_model.bin.index.json": "PyTorch",
      "checkpoint.index.json": "PyTorch",
      "net.weights.h5": "Keras and TensorFlow.js",
      "model.json": "Keras and TensorFlow.js",
      "model.gguf": undefined,
      safetensors: undefined,
    };
    for (const [name, format] of Object.entries(names)) assert.equal(formatOf(name)?.name, format, name);
    assert.deepEqual(["model.pt", "model.h5", "model.txt"].map(isOpenedHere), [true, false, false]);
  });

  it("share no endings, and each has its own usual names", () => {
    const endings = WEIGHT_FORMATS.flatMap((row) => [...row.endings, ...(row.rareEndings ?? []), ...row.indexEndings]);
    assert.equal(new Set(endings).size, endings.length);
    for (const row of WEIGHT_FORMATS) for (const name of row.usualNames) assert.equal(formatOf(name), row, name);
  });

  it("are offered for the model's format, without shards and other files of training", () => {
    const { endings, extensions, hidden } = weightFilesFor("pytorch");
    assert.deepEqual(endings, [".safetensors", ".safetensors.index.json", ".pt", ".pth", ".bin", ".bin.index.json"]);
    assert.deepEqual(extensions, ["safetensors", "json", "pt", "pth", "bin", "ckpt"]);
    const isHidden = (name: string) => hidden.some((pattern) => new RegExp(pattern, "i").test(name));
    const names = ["model.safetensors", "adapter_model.bin", "optimizer.pt", "model-00001-of-00002.safetensors"];
    assert.deepEqual(names.map(isHidden), [false, true, true, true]);
    assert.deepEqual(weightFilesFor("keras-json").endings.slice(0, 2), [".weights.h5", ".h5"]);
    assert.ok(!weightFilesFor("keras-json").endings.includes(".pt"));
  });

  it("are listed in the command line's help and in the error for another file", async () => {
    assert.equal(
      weightsHelp(),
      "a .safetensors, .pt, .pth, .bin or .ckpt file, an index of shards, or a folder with one; for models of Keras and TensorFlow.js also .weights.h5, .h5, .hdf5, .keras or .json",
    );
    await writeFile(at("model.gguf"), "");
    await assert.rejects(openWeights(at("model.gguf")), {
      name: "UserError",
      message:
        /does not have the name of a weights file; weights are read from \.safetensors, \.pt, \.pth, \.bin and \.ckpt files/,
    });
  });

  it("may give a parameter in blocks: an engine without a kernel for them computes with the values", async () => {
    const weight: QuantizedTensor = {
      dtype: "float32",
      shape: [2],
      quantized: {
        scheme: "Q4_0",
        blocks: { file: at("blocks"), offset: 0, byteLength: 18, dtype: "uint8", shape: [18] },
      },
      load: async () => float32([2], [3, 5]),
    };
    const x = input("x", [2], "float32") as Node<"input">;
    const graph = new Graph("g", [x], new Map([["y", mul(x, parameter("w", [2], "float32"))]]));
    const feeds = new Map([["x", float32([2], [2, 2])]]);
    const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, new Map([["w", weight]]), feeds);
    assert.deepEqual([...toFloat32(outputs.get("y")!)], [6, 10]);
  });
});
