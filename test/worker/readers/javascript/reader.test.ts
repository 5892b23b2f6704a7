import { strict as assert } from "node:assert";
import * as tf from "@tensorflow/tfjs";
import { chooseModel, openModelFile } from "../../../../src/worker/readers/open";
import { summarize } from "../../../../src/worker/readers/summary";

const read = async (text: string, file = "/app/model.js") => summarize(await openModelFile(file, text));

/** What TensorFlow.js itself makes of the source, whose last statement returns the model. */
function made(source: string): tf.LayersModel {
  tf.disposeVariables();
  return new Function("tf", source)(tf) as tf.LayersModel;
}

const CHAINS: readonly [what: string, source: string][] = [
  [
    "a sequential model by add",
    `const HIDDEN = 4 * 8;
     function build(classes = 10) {
       const model = tf.sequential();
       model.add(tf.layers.dense({units: HIDDEN, inputShape: [784], activation: 'relu'}));
       model.add(tf.layers.dropout({rate: 0.5}));
       model.add(tf.layers.dense({units: classes, useBias: false, activation: 'softmax'}));
       return model;
     }
     return build();`,
  ],
  [
    "a sequential model by its layers",
    `const size = Math.floor(33 / 2);
     const first = {units: size, inputShape: [12]};
     return tf.sequential({layers: [tf.layers.dense({...first, name: 'in'}), tf.layers.dense({units: 3})]});`,
  ],
  [
    "convolutions",
    `const model = tf.sequential();
     for (const filters of [8, 16]) {
       const shape = filters === 8 ? {inputShape: [28, 28, 1]} : {};
       model.add(tf.layers.conv2d({...shape, kernelSize: 3, filters, activation: 'relu'}));
       model.add(tf.layers.maxPooling2d({poolSize: 2, strides: 2}));
     }
     model.add(tf.layers.flatten({}));
     model.add(tf.layers.dense({units: 10, kernelInitializer: 'varianceScaling'}));
     return model;`,
  ],
  [
    "a functional model with a branch",
    `const x = tf.input({shape: [20]});
     const wide = tf.layers.dense({units: 16, activation: 'relu'});
     const a = wide.apply(x);
     const b = tf.layers.dense({units: 16}).apply(x);
     const y = tf.layers.dense({units: 2}).apply(tf.layers.concatenate().apply([a, b]));
     return tf.model({inputs: x, outputs: y});`,
  ],
  [
    "an embedding and a recurrent layer",
    `const model = tf.sequential();
     model.add(tf.layers.embedding({inputDim: 100, outputDim: 8, inputLength: 12}));
     model.add(tf.layers.lstm({units: 6}));
     model.add(tf.layers.dense({units: 1, activation: 'sigmoid'}));
     return model;`,
  ],
];

describe("TensorFlow.js source", () => {
  before(async () => {
    await tf.setBackend("cpu");
  });

  for (const [what, source] of CHAINS) {
    it(`${what}: classes and counts are TensorFlow.js's own`, async () => {
      const theirs = made(source);
      const { models, problems } = await read(`function make() {\n${source}\n}`);
      assert.deepEqual(problems, []);
      assert.equal(models.length, 1);
      const [ours] = models;
      assert.equal(ours!.parameters, theirs.countParams());
      const layers = theirs.layers.filter((layer) => layer.getClassName() !== "InputLayer");
      assert.deepEqual(
        ours!.layers.map(({ kind, parameters }) => [kind, parameters]),
        layers.map((layer) => [layer.getClassName(), layer.countParams()]),
      );
    });
  }

  it("layers are at their calls, with the names of TensorFlow.js", async () => {
    const text = `import * as tf from '@tensorflow/tfjs';
export const model: tf.Sequential = tf.sequential();
model.add(tf.layers.dense({units: 64, inputShape: [784]}));
model.add(
  tf.layers.dense({units: 10}));
`;
    const { models } = await read(text, "/app/model.ts");
    assert.deepEqual([models[0]!.class, models[0]!.line], ["model", 2]);
    assert.deepEqual(
      models[0]!.layers.map(({ path, inFeatures, outFeatures, bias, place }) => [
        path,
        inFeatures,
        outFeatures,
        bias,
        place.line,
        place.column,
      ]),
      [
        ["dense_Dense1", 784, 64, true, 3, 11],
        ["dense_Dense2", 64, 10, true, 5, 3],
      ],
    );
  });

  it("the library is known by any name it is imported by", async () => {
    for (const head of [
      "const tfl = require('@tensorflow/tfjs-node');",
      "import * as tfl from '@tensorflow/tfjs-layers';",
      "import {layers, sequential} from '@tensorflow/tfjs'; const tfl = {layers, sequential};",
    ]) {
      const { models } = await read(
        `${head}\nconst m = tfl.sequential();\nm.add(tfl.layers.dense({units: 2, inputShape: [3]}));`,
      );
      assert.equal(models[0]?.parameters, 8, head);
    }
  });

  it("an unknown value gives its reason, and affects only values that depend on it", async () => {
    const { models, problems } = await read(`function build(n) {
  const model = tf.sequential();
  model.add(tf.layers.dense({units: 4, inputShape: [3]}));
  model.add(tf.layers.dense({units: n}));
  model.add(tf.layers.dense({units: 2}));
  return model;
}
function other() { return tf.sequential({layers: [tf.layers.dense({units: 2, inputShape: [3]})]}); }`);
    assert.deepEqual(
      models.map(({ class: name, layers }) => [name, ...layers.map(({ parameters }) => parameters)]),
      [
        ["build", 16, null, null],
        ["other", 8],
      ],
    );
    assert.deepEqual(
      problems.map(({ line, message, severity }) => [line, message, severity]),
      [[4, 'Dense "dense_Dense2": units is unknown: nothing in this file gives build its parameter n', "information"]],
    );
  });

  it("a layer that is added on an unknown condition leaves the sizes after it unknown", async () => {
    const { models, problems } = await read(`const model = tf.sequential();
model.add(tf.layers.dense({units: 4, inputShape: [3]}));
if (window.deep) model.add(tf.layers.dense({units: 8}));
model.add(tf.layers.dense({units: 2}));`);
    assert.deepEqual(
      models[0]!.layers.map(({ kind, inFeatures }) => [kind, inFeatures]).filter(([kind]) => kind === "Dense"),
      [
        ["Dense", 3],
        ["Dense", null],
        ["Dense", null],
      ],
    );
    assert.match(problems[0]!.message, /condition that is not known: window is not defined/);
  });

  it("a complete chain is traced like any other model", async () => {
    const source =
      "const m = tf.sequential();\nm.add(tf.layers.dense({units: 5, inputShape: [3], activation: 'relu'}));";
    const { graph } = chooseModel(await openModelFile("/app/m.js", source)).trace();
    assert.deepEqual(graph.outputs.get("output")!.shape, [2, 5]);
  });

  it("endless, deeply nested and broken programs give a message or no model", async () => {
    for (const text of [
      "while (true) {} tf.layers",
      "function f() { return f(); } f(); tf.layers",
      "const a = []; for (;;) a.push(1); tf.layers",
      "let s = 'x'; for (;;) s += s; tf.layers",
      `${"[".repeat(5000)} tf.layers`,
      `tf.layers.dense(${"1+".repeat(5000)}1)`,
      "const model = tf.sequential(; model.add(",
      "const m = tf.sequential(); m.add(m); tf.layers",
    ]) {
      const { models } = await read(text);
      assert.ok(models.length <= 1, text.slice(0, 40));
    }
  });
});
