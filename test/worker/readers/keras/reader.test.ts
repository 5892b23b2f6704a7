import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Group } from "h5wasm/node";
import { openModel } from "../../../../src/worker/jobs/opened";
import { parsePlacedJson } from "../../../../src/worker/readers/keras/json";
import { openKerasJson } from "../../../../src/worker/readers/keras/reader";
import { walkModules } from "../../../../src/worker/readers/model";
import { chooseModel } from "../../../../src/worker/readers/open";

const sequential = (...layers: object[]) =>
  JSON.stringify({ class_name: "Sequential", config: { name: "net", layers } }, null, 1);
const dense = (name: string, units: number, more: object = {}) => ({
  class_name: "Dense",
  config: { name, units, ...more },
});

function modelOf(text: string) {
  return chooseModel(openKerasJson("model.json", text));
}

describe("Keras JSON", () => {
  it("places each layer at its class_name", () => {
    const text = sequential(dense("a", 3, { batch_input_shape: [null, 2] }), dense("b", 4));
    const lines = text.split("\n");
    const layers = [...walkModules(modelOf(text).root)].slice(1);
    assert.deepEqual(
      layers.map(({ path, inFeatures, outFeatures, parameters }) => [path, inFeatures, outFeatures, parameters]),
      [
        ["a", 2, 3, 9],
        ["b", 3, 4, 16],
      ],
    );
    for (const { place } of layers) {
      assert.equal(lines[place.line - 1]!.slice(place.column - 1, place.endColumn - 1), '"class_name"');
    }
    assert.equal(new Set(layers.map(({ place }) => place.line)).size, 2);
  });

  it("parses what JSON.parse parses, and tells the line of a mistake", () => {
    for (const text of ['{"a": [1, -2.5e3, "\\u00e9\\n", true, null, {}, []]}', '"x"', " [ ] ", "0"]) {
      assert.equal(JSON.stringify(parsePlacedJson("f", text).value), JSON.stringify(JSON.parse(text)));
    }
    for (const text of ["", "{", '{"a" 1}', "[1,]", '"open', "[1] 2", "{a: 1}", "-"]) {
      assert.throws(() => parsePlacedJson("f", text), /not valid JSON/);
    }
    assert.throws(() => parsePlacedJson("f", "[\n1\nx"), /line 3/);
    assert.throws(() => parsePlacedJson("f", "[".repeat(100_000)), /nested/);
    assert.equal(Object.getPrototypeOf(parsePlacedJson("f", '{"__proto__": {"x": 1}}').value), null);
  });

  it("lists an unknown layer, and traces the layers that do not depend on it", () => {
    const model = modelOf(
      sequential(
        dense("a", 3, { batch_input_shape: [null, 2] }),
        { class_name: "Mine", config: { name: "odd" } },
        dense("b", 4),
      ),
    );
    assert.match(model.problems[0]!.message, /Mine "odd": this kind of layer is not known/);
    assert.deepEqual(
      [...walkModules(model.root)].map(({ path, parameters }) => [path, parameters]),
      [
        ["", undefined],
        ["a", 9],
        ["odd", undefined],
        ["b", undefined],
      ],
    );
    assert.throws(() => model.trace(), /cannot be traced: line \d+: Mine "odd"/);
  });

  it("explains why a file is not a layers model", () => {
    const problem = (text: string) => openKerasJson("model.json", text).problems[0]?.message ?? "";
    assert.match(problem('{"format": "graph-model", "modelTopology": {"node": []}}'), /graph model/);
    assert.match(problem("[]"), /no model/);
    assert.match(problem('{"a": 1}'), /no class_name and config/);
    assert.match(problem(sequential(dense("a", 3))), /no input shape/);
    assert.match(problem(sequential()), /no layers/);
  });

  it("reports impossible sizes as problems, quickly", () => {
    const odd = [
      sequential(dense("a", 2 ** 30, { batch_input_shape: [null, 2 ** 30] })),
      sequential(dense("a", -1, { batch_input_shape: [null, 2] })),
      sequential(dense("a", 1.5, { batch_input_shape: [null, 2] })),
      sequential({
        class_name: "Conv2D",
        config: { name: "c", filters: 2, kernel_size: 5000, batch_input_shape: [null, 6000, 6000, 1] },
      }),
      sequential({
        class_name: "UpSampling2D",
        config: { name: "u", size: 2 ** 30, batch_input_shape: [null, 4, 4, 1] },
      }),
    ];
    for (const text of odd) {
      const started = performance.now();
      assert.ok(modelOf(text).problems.length > 0);
      assert.ok(performance.now() - started < 2000);
    }
  });

  it("ends nested models that call each other twice at each level", () => {
    const ref = (layer: string, call = 0) => [[[layer, call, 0, {}]]];
    let inner: { class_name: string; config: object } = dense("d", 1);
    for (let i = 0; i < 30; i++) {
      const layer = {
        ...inner,
        config: { ...inner.config, name: `n${i}` },
        name: `n${i}`,
        inbound_nodes: [ref("x")[0], [[`n${i}`, 0, 0, {}]]],
      };
      inner = {
        class_name: "Functional",
        config: {
          name: "m",
          layers: [
            {
              class_name: "InputLayer",
              name: "x",
              config: { name: "x", batch_input_shape: [null, 1] },
              inbound_nodes: [],
            },
            layer,
          ],
          input_layers: [["x", 0, 0]],
          output_layers: [[`n${i}`, 1, 0]],
        },
      };
    }
    assert.match(openKerasJson("model.json", JSON.stringify(inner)).problems[0]!.message, /calls more than/);
  });

  it("keeps to the model's folder: shards elsewhere are refused, and so are ones that are cut short", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-keras-"));
    try {
      const file = join(folder, "model.json");
      const topology = JSON.parse(sequential(dense("a", 3, { batch_input_shape: [null, 2] }))) as object;
      const write = (path: string) =>
        writeFile(
          file,
          JSON.stringify({
            modelTopology: topology,
            weightsManifest: [{ paths: [path], weights: [{ name: "a/kernel", shape: [2, 3], dtype: "float32" }] }],
          }),
        );
      await write("../outside.bin");
      await assert.rejects(openModel({ file }), /outside the folder/);
      await writeFile(join(folder, "w.bin"), new Uint8Array(20));
      await write("w.bin");
      await assert.rejects(openModel({ file }), /beyond the end/);
      await writeFile(join(folder, "w.bin"), new Uint8Array(24));
      await assert.rejects(openModel({ file }), /lacks "a\.bias"/);
      await writeFile(join(folder, "bad.h5"), new Uint8Array(1000));
      await assert.rejects(openModel({ file, weights: join(folder, "bad.h5") }), /not a readable HDF5 file/);
      const memory = await sparseWeights(join(folder, "sparse.weights.h5"));
      await assert.rejects(
        openModel({ file, weights: join(folder, "sparse.weights.h5") }),
        /"\/layers\/dense\/vars\/0" has shape \[16384, 16384\], but a\.kernel has \[2, 3\]/,
      );
      assert.equal(await memory(), 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/**
 * Writes a file of 3 KB whose kernel declares a gigabyte that is not stored. Gives how much memory HDF5's library has
 * taken since.
 */
async function sparseWeights(file: string): Promise<() => Promise<number>> {
  const { File, ready } = await import("h5wasm/node");
  const library = await ready;
  const [name, chunk] = ["/sparse.h5", [2, 2]];
  const hdf5 = new File(name, "w");
  for (const group of ["layers", "layers/dense", "layers/dense/vars"]) hdf5.create_group(group);
  const kernel = (hdf5.get("layers/dense/vars") as Group).create_dataset({
    name: "0",
    data: new Float32Array(4),
    shape: chunk,
    maxshape: [null, null],
    chunks: chunk,
  });
  kernel.resize([2 ** 14, 2 ** 14]);
  hdf5.close();
  await writeFile(file, library.FS.readFile(name));
  library.FS.unlink(name);
  const { length } = library.HEAPU8;
  return async () => (await ready).HEAPU8.length - length;
}
