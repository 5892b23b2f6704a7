import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { type Parsed, parsed } from "./python";

/** Well-formed files to damage: those of the fixtures and of the examples. */

const ROOT = path.join(__dirname, "../..");

export function bytesOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(path.join(ROOT, name)));
}

export function textOf(name: string): string {
  return readFileSync(path.join(ROOT, name), "utf8");
}

export function namesUnder(folder: string, ending: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))
    .sort();
}

/** Whole models, as people write them. */
export function pythonModels(): string[] {
  return [...namesUnder("test/fixtures", ".py"), ...namesUnder("examples", ".py")]
    .filter((name) => !/^(make|check)/.test(path.basename(name)))
    .map(textOf)
    .filter((text) => text.includes("Module"));
}

const IMPORTS = `import collections, contextlib, copy, dataclasses, enum, functools, itertools, math, os, re
import einops
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange
`;

interface Fixture {
  readonly inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype: string }>>;
  readonly results: readonly {
    readonly program?: string | readonly string[];
    readonly expression?: string;
    readonly make?: string;
    readonly call?: string;
  }[];
}

/** Each program of the fixtures as a model's forward that the file calls. */
function snippets(name: string): string[] {
  const { inputs, results } = JSON.parse(textOf(`test/fixtures/torch/${name}.json`)) as Fixture;
  const call = Object.values(inputs).map(
    ({ shape, dtype }) => `torch.zeros(${shape.join(", ")}, dtype=torch.${dtype})`,
  );
  return results.map(({ program, expression, make, call: called }) => {
    const body = program
      ? [program].flat().join("\n")
      : `r = ${called === undefined ? expression : called.replace(/\bm\b/, "self.m")}`;
    return `${IMPORTS}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = ${make ?? "nn.Linear(4, 4)"}

    def forward(self, ${Object.keys(inputs).join(", ")}):
        ${body.replaceAll("\n", "\n        ")}
        return r

Model()(${call.join(", ")})
`;
  });
}

/** The language's own expressions and programs, with a model after them. */
function language(): string[] {
  const programs = JSON.parse(textOf("test/fixtures/python/semantics.json")) as [string, string][];
  return programs.map(([program]) => {
    const body = program.includes("\n") ? program : `result = ${program}`;
    return `${IMPORTS}x = torch.ones(2, 3)\n${body}\nclass Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, len(str(result)))\n    def forward(self, x):\n        return self.fc(x)\n`;
  });
}

let sources: Promise<readonly Parsed[]> | undefined;

/** Whole models, and everything of Python and PyTorch that the fixtures try, with their syntax. */
export function parsedSources(): Promise<readonly Parsed[]> {
  const models = pythonModels().map((text) => (text.includes("import os") ? text : IMPORTS + text));
  const all = [...["programs", "expressions", "modules", "views"].flatMap(snippets), ...language()];
  // A whole model has more to change than a snippet, and counts as several.
  const weighed = [...models, ...models, ...models, ...models, ...models, ...all];
  sources ??= Promise.all(weighed.map(parsed));
  return sources;
}

export const TFJS_SOURCES: readonly string[] = [
  `import * as tf from '@tensorflow/tfjs';
const HIDDEN = 4 * 8;
export function build(classes = 10) {
  const model = tf.sequential();
  model.add(tf.layers.dense({units: HIDDEN, inputShape: [784], activation: 'relu'}));
  model.add(tf.layers.dropout({rate: 0.5}));
  for (const filters of [8, 16]) model.add(tf.layers.dense({units: filters, name: \`d\${filters}\`}));
  model.add(tf.layers.dense({units: classes, useBias: false, activation: 'softmax'}));
  return model;
}`,
  `const tf = require('@tensorflow/tfjs-node');
class Net {
  constructor(size) { this.size = size; this.layers = []; }
  make() {
    const x = tf.input({shape: [20, 8]});
    const wide = tf.layers.lstm({units: 16, returnSequences: true});
    let y = wide.apply(x);
    for (let i = 0; i < 3; i++) { y = tf.layers.dense({units: this.size ** 2, activation: i % 2 ? 'relu' : 'tanh'}).apply(y); }
    const z = tf.layers.concatenate().apply([y, tf.layers.dense({units: 16}).apply(x)]);
    return tf.model({inputs: x, outputs: tf.layers.dense({units: 2}).apply(tf.layers.flatten().apply(z))});
  }
}
new Net(4).make();`,
  `import * as tf from '@tensorflow/tfjs';
const config = {filters: 8, kernelSize: 3, ...{padding: 'same'}};
const sizes = Array.from({length: 3}, (_, i) => 2 ** i).map((n) => n * 4).filter((n) => n > 4);
const model = tf.sequential({layers: [
  tf.layers.conv2d({...config, inputShape: [28, 28, 1]}),
  tf.layers.maxPooling2d({poolSize: 2, strides: 2}),
  tf.layers.flatten({}),
  ...sizes.map((units) => tf.layers.dense({units})),
  tf.layers.dense({units: Math.floor(33 / 2), kernelInitializer: 'varianceScaling'}),
]});`,
];
