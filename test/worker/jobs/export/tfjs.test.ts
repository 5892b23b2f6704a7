import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { chooseEngine } from "../../../../src/worker/engines/choose";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { bytesOf, type Tensor } from "../../../../src/worker/formats/tensor";
import { planAdapter } from "../../../../src/worker/jobs/adapter";
import { merge } from "../../../../src/worker/jobs/export/merge";
import { exportable } from "../../../../src/worker/jobs/export/tfjs";
import { checkLayersModel } from "../../../../src/worker/jobs/export/tfjsCheck";
import { openModel, randomInputs, runOnce, valuesFor } from "../../../../src/worker/jobs/opened";
import { saveAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { initializeAdapter } from "../../../../src/worker/lora/init/initialize";
import { removeDropout } from "../../../../src/worker/passes/dropout";
import { injectLora } from "../../../../src/worker/passes/lora";
import { KerasModel } from "../../../../src/worker/readers/keras/model";

const FIXTURES = join(__dirname, "../../../fixtures/keras");
const context = {
  onProgress: () => undefined,
  signal: new AbortController().signal,
  stop: new AbortController().signal,
};

/** What plain TensorFlow.js is given: the files as they lie in the folder. */
async function handlerFor(file: string): Promise<tf.io.IOHandler> {
  const json = JSON.parse(await readFile(file, "utf8")) as tf.io.ModelJSON;
  return tf.io.fromMemory(
    await tf.io.getModelArtifactsForJSON(json, async (manifest) => {
      const shards = await Promise.all(
        manifest.flatMap(({ paths }) => paths.map((p) => readFile(join(dirname(file), p)))),
      );
      const bytes = Buffer.concat(shards);
      return [
        manifest.flatMap(({ weights }) => weights),
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      ];
    }),
  );
}

/** The largest difference between the adapted graph on ONNX Runtime and the exported model on TensorFlow.js. */
async function exportedDifference(file: string, folder: string): Promise<{ exported: number; base: number }> {
  const choice = { file };
  const opened = await openModel(choice);
  const { config, layers } = planAdapter(opened.model, { r: 2, lora_alpha: 4, target_modules: ".*" });
  const adapter = await initializeAdapter(layers, false, 3);
  await saveAdapter(join(folder, "adapter"), config, adapter);
  const output = join(folder, "out", "model.json");
  await merge({ kind: "merge", model: choice, adapterFolder: join(folder, "adapter"), output }, context);

  const { graph, inputs } = opened.model.trace();
  const feeds = randomInputs(inputs, 5);
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const adapted = removeDropout(injectLora(graph, layers));
  const ours = await runOnce(engine, adapted, valuesFor(adapted, opened.values, adapter), feeds);
  const base = await runOnce(engine, graph, valuesFor(graph, opened.values), feeds);

  const model = await tf.loadLayersModel(await handlerFor(output));
  const tensors = inputs.map(({ name, shape }) => tf.tensor(toFloat32(feeds.get(name)!), [...shape]));
  const predicted = [model.predict(tensors.length === 1 ? tensors[0]! : tensors)].flat() as tf.Tensor[];
  const theirs = await Promise.all(predicted.map((tensor) => tensor.data()));
  const difference = (outputs: typeof ours) =>
    Math.max(
      ...[...outputs.values()].flatMap((o, i) => [...toFloat32(o)].map((v, j) => Math.abs(v - Number(theirs[i]![j])))),
    );
  return { exported: difference(ours), base: difference(base) };
}

describe("export to TensorFlow.js", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => tf.setBackend("cpu"));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lora-lens-tfjs-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  for (const file of ["tfjs/model.json", "branches.keras"]) {
    it(`${file}: plain tfjs loads the merged model and computes what the adapted graph computes`, async () => {
      const { exported, base } = await exportedDifference(join(FIXTURES, file), folder);
      assert.ok(exported < 1e-5, `differs by ${exported}`);
      assert.ok(base > 1e-3, "the adapter must make a difference");
    });
  }

  it("refuses the base model's own folder, whose files it could replace", async () => {
    const file = join(folder, "model.json");
    await cp(join(FIXTURES, "tfjs"), folder, { recursive: true });
    const opened = await openModel({ file });
    const { config, layers } = planAdapter(opened.model, { r: 2, lora_alpha: 4, target_modules: ".*" });
    await saveAdapter(join(folder, "adapter"), config, await initializeAdapter(layers, true, 3));
    const before = await readFile(file);
    for (const name of ["model.json", "other.json"]) {
      const request = { kind: "merge", model: { file }, adapterFolder: join(folder, "adapter") } as const;
      await assert.rejects(merge({ ...request, output: join(folder, name) }, context), /holds the base model/);
    }
    assert.deepEqual(await readFile(file), before);
  });

  type LayerJson = { readonly class_name: string; readonly config: object; readonly inbound_nodes?: object };

  /** A Keras 2 architecture without weights in the folder. */
  async function architecture(layers: readonly LayerJson[] | object): Promise<string> {
    const file = join(folder, "architecture.json");
    const [className, config] = Array.isArray(layers)
      ? ["Sequential", { name: "net", layers }]
      : ["Model", { name: "net", ...layers }];
    await writeFile(file, JSON.stringify({ keras_version: "2.4.0", class_name: className, config }));
    return file;
  }
  const layer = (className: string, config: object): LayerJson => ({
    class_name: className,
    config: { name: className.toLowerCase(), ...config },
  });
  const written = async () => {
    const json = JSON.parse(await readFile(join(folder, "out/model.json"), "utf8"));
    return json.modelTopology.model_config.config.layers as LayerJson[];
  };

  it("omits a Flatten of flat input, which TensorFlow.js refuses, and keeps others", async () => {
    const file = await architecture([
      layer("Flatten", { batch_input_shape: [null, 12], data_format: "channels_last" }),
      layer("Dense", { name: "a", units: 8, activation: "relu" }),
      layer("Reshape", { target_shape: [2, 4] }),
      layer("Flatten", { name: "real" }),
      layer("Flatten", { name: "again" }),
      layer("Dense", { name: "b", units: 3, activation: "softmax" }),
    ]);
    const { exported, base } = await exportedDifference(file, folder);
    assert.ok(exported < 1e-5, `differs by ${exported}`);
    assert.ok(base > 1e-3, "the adapter must make a difference");
    assert.deepEqual(
      (await written()).map(({ class_name }) => class_name),
      ["Activation", "Dense", "Reshape", "Flatten", "Activation", "Dense"],
    );
  });

  it("omits such a Flatten in a functional model after a global pooling, too", async () => {
    const node = (className: string, name: string, config: object, from: readonly string[]) => ({
      ...layer(className, { ...config, name }),
      name,
      inbound_nodes: from.length === 0 ? [] : [from.map((each) => [each, 0, 0, {}])],
    });
    const file = await architecture({
      layers: [
        node("InputLayer", "x", { batch_input_shape: [null, 6, 5, 2] }, []),
        node("Conv2D", "conv", { filters: 4, kernel_size: [3, 3] }, ["x"]),
        node("GlobalAveragePooling2D", "pool", {}, ["conv"]),
        node("Flatten", "flat", {}, ["pool"]),
        node("Flatten", "wide", {}, ["conv"]),
        node("Concatenate", "both", { axis: -1 }, ["flat", "wide"]),
        node("Dense", "out", { units: 3 }, ["both"]),
      ],
      input_layers: [["x", 0, 0]],
      output_layers: [["out", 0, 0]],
    });
    const { exported, base } = await exportedDifference(file, folder);
    assert.ok(exported < 1e-5, `differs by ${exported}`);
    assert.ok(base > 1e-3, "the adapter must make a difference");
    assert.deepEqual(
      (await written()).filter(({ class_name }) => class_name === "Flatten").map(({ config }) => config),
      [{ name: "wide" }],
    );
  });

  it("says at which layer TensorFlow.js stops, when it loads and when it predicts, and writes nothing", async () => {
    const softmax = await architecture([
      layer("Dense", { units: 3, batch_input_shape: [null, 4, 6] }),
      layer("Softmax", { name: "over_steps", axis: 1 }),
      layer("Dense", { name: "last", units: 2 }),
    ]);
    await assert.rejects(exportedDifference(softmax, folder), {
      name: "UserError",
      message:
        /nothing was written, since TensorFlow\.js does not accept the layer "over_steps" \(Softmax\) of net: Softmax along/,
    });
    // One Flatten that is called on flat input and on other: no form serves both.
    const call = (from: string) => [[from, 0, 0, {}]];
    const shared = await architecture({
      layers: [
        { ...layer("InputLayer", { name: "x", batch_input_shape: [null, 6] }), name: "x", inbound_nodes: [] },
        { ...layer("Reshape", { target_shape: [2, 3] }), name: "reshape", inbound_nodes: [call("x")] },
        { ...layer("Flatten", { name: "both_ways" }), name: "both_ways", inbound_nodes: [call("reshape"), call("x")] },
        {
          ...layer("Add", {}),
          name: "add",
          inbound_nodes: [
            [
              ["both_ways", 0, 0, {}],
              ["both_ways", 1, 0, {}],
            ],
          ],
        },
        { ...layer("Dense", { name: "out", units: 2 }), name: "out", inbound_nodes: [call("add")] },
      ],
      input_layers: [["x", 0, 0]],
      output_layers: [["out", 0, 0]],
    });
    await assert.rejects(exportedDifference(shared, folder), {
      name: "UserError",
      message: /does not accept the layer "both_ways" \(Flatten\) of net: Input 0 is incompatible with layer both_ways/,
    });
    assert.equal(existsSync(join(folder, "out")), false);
  });

  it("is refused when TensorFlow.js computes something else", async () => {
    const { model, values } = await openModel({ file: join(FIXTURES, "tfjs/model.json") });
    assert.ok(model instanceof KerasModel);
    const { topology, names } = exportable(model, join(folder, "out/model.json"));
    const parts = [...names].map(([name, path]) => ({ name, tensor: values.get(path) as Tensor }));
    const weightSpecs = parts.map(({ name, tensor: { shape } }) => ({ name, shape, dtype: "float32" }));
    const data = Buffer.concat(parts.map(({ tensor }) => bytesOf(tensor)));
    const artifacts = { modelTopology: topology, weightSpecs, weightData: data };
    const { difference } = await checkLayersModel(model, artifacts, values);
    assert.ok(difference < 1e-5);
    const kernel = parts.find(({ name }) => name.endsWith("/kernel"))!;
    const at = parts.slice(0, parts.indexOf(kernel)).reduce((sum, { tensor }) => sum + bytesOf(tensor).length, 0);
    data.writeFloatLE(data.readFloatLE(at) + 0.1, at);
    await assert.rejects(checkLayersModel(model, artifacts, values), {
      name: "UserError",
      message:
        /nothing was written: the model that TensorFlow\.js loads does not compute what \w+ computes: \S+ differs by/,
    });
  });

  it("refuses, by name, what TensorFlow.js cannot restore, and writes nothing", async () => {
    await assert.rejects(exportedDifference(join(FIXTURES, "transformer.keras"), folder), /no TensorFlow\.js form/);
    assert.equal(existsSync(join(folder, "out")), false);
  });
});

describe("models that TensorFlow.js saves", () => {
  it("are read, and predict what TensorFlow.js itself predicts", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-tfjs-"));
    try {
      await tf.setBackend("cpu");
      const model = tf.sequential({
        layers: [
          tf.layers.conv2d({
            inputShape: [9, 8, 2],
            filters: 4,
            kernelSize: 3,
            padding: "same",
            strides: 2,
            activation: "relu",
          }),
          tf.layers.batchNormalization(),
          tf.layers.maxPooling2d({ poolSize: 2, padding: "same" }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 6, activation: "hardSigmoid" }),
          tf.layers.reshape({ targetShape: [3, 2] }),
          tf.layers.lstm({ units: 4, returnSequences: true }),
          tf.layers.bidirectional({ layer: tf.layers.gru({ units: 3 }) as tf.RNN, mergeMode: "sum" }),
          tf.layers.dense({ units: 2, activation: "softmax" }),
        ],
      });
      const file = join(folder, "model.json");
      await model.save(
        tf.io.withSaveHandler(async (artifacts) => {
          const manifest = [{ paths: ["weights.bin"], weights: artifacts.weightSpecs }];
          await writeFile(
            file,
            JSON.stringify({
              format: "layers-model",
              modelTopology: artifacts.modelTopology,
              weightsManifest: manifest,
            }),
          );
          await writeFile(join(folder, "weights.bin"), Buffer.from(artifacts.weightData as ArrayBuffer));
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
        }),
      );
      const opened = await openModel({ file });
      assert.equal(opened.model.root.parameters, model.countParams());
      const { graph, inputs } = opened.model.trace();
      const feeds = randomInputs(inputs, 1);
      const { engine } = await chooseEngine("onnxruntime-cpu");
      const ours = toFloat32((await runOnce(engine, graph, valuesFor(graph, opened.values), feeds)).get("output")!);
      const [spec] = inputs;
      const theirs = await (
        model.predict(tf.tensor(toFloat32(feeds.get(spec!.name)!), [...spec!.shape])) as tf.Tensor
      ).data();
      const largest = Math.max(...ours.map((v, i) => Math.abs(v - Number(theirs[i]))));
      assert.ok(largest < 1e-5, `differs by ${largest}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
