import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import * as path from "node:path";
import fc from "fast-check";
import { strToU8, unzipSync, zipSync } from "fflate";
import { readTable } from "../../src/worker/formats/csv";
import { decodeNpy } from "../../src/worker/formats/numpy/npy";
import { readNpz } from "../../src/worker/formats/numpy/npz";
import { readHeader, readTensors } from "../../src/worker/formats/safetensors";
import { readTorchCheckpoint } from "../../src/worker/formats/torchZip/checkpoint";
import { unpickle } from "../../src/worker/formats/torchZip/unpickle";
import { openWeights } from "../../src/worker/jobs/weights/open";
import { readAdapterConfig, writeAdapterConfig } from "../../src/worker/lora/config/adapterConfig";
import { withTargets } from "../../src/worker/lora/targets/modelDefaults";
import { matchTargets } from "../../src/worker/lora/targets/targets";
import { openModelFile } from "../../src/worker/readers/open";
import { bytesOf, namesUnder, parsedSources, pythonModels, TFJS_SOURCES, textOf } from "./corpus";
import { TFJS_HOSTILE } from "./hostile";
import { misshapen } from "./json";
import { damaged, garbled } from "./mutations";
import { reshaped } from "./python";
import { ask, refusal } from "./readings";

/** What is fuzzed: inputs, and a reader that must give a value or a refusal for each. */

export type Input = string | Uint8Array;

export interface Target {
  readonly name: string;
  /** Inputs in `npm test`. */
  readonly usual: number;
  inputs(): fc.Arbitrary<Input> | Promise<fc.Arbitrary<Input>>;
  /** `folder` is the target's own. Throws what is a finding; the message of a refusal is none. */
  read(input: Input, folder: string): unknown;
}

/** Few, so that each input is bounded by steps and not by a clock. */
export const LIMITS = { steps: 20_000, depth: 60 };
/** Of sources that are small and many. */
const FEW = { steps: 5000, depth: 60 };

const TORCH = ["plain.pt", "checkpoint.pt", "views.pt", "system.pt"].map(
  (name) => `test/fixtures/formats/torch/${name}`,
);
const ARCHIVES = ["branches", "recurrent", "shared", "masked"].map((name) => `test/fixtures/keras/${name}.keras`);
const KERAS_JSON = [
  "test/fixtures/keras/transformer.json",
  "test/fixtures/keras/tfjs/model.json",
  "examples/keras/model.json",
];
const text = (content: string) => strToU8(content);

function pickleIn(archive: Uint8Array): Uint8Array {
  return Object.entries(unzipSync(archive)).find(([name]) => name.endsWith("data.pkl"))![1];
}

/** Reads the input as a file of this name in the target's folder. */
function fromDisk(name: string, read: (file: string) => Promise<unknown>): Target["read"] {
  return async (input, folder) => {
    const file = path.join(folder, name);
    await writeFile(file, input);
    await read(file);
  };
}

/** Loaded before the first input, which would be the slowest otherwise. */
async function hdf5(): Promise<void> {
  await (await import("h5wasm/node")).ready;
}

async function model(file: string): Promise<void> {
  const opened = await openModelFile(file, undefined, LIMITS);
  ask(opened);
  // The container's own weights, which the damage may have reached as well.
  for (const one of opened.models) await one.readWeights?.().catch(refusal);
}

const source =
  (name: string): Target["read"] =>
  async (input) => {
    const content = input as string;
    ask(await openModelFile(name, content, FEW));
  };

/** A safetensors file with its header damaged as JSON, the length made right. */
function withHeader(header: string): Uint8Array {
  const json = text(header);
  const bytes = new Uint8Array(8 + json.length + 64);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function headerOf(file: Uint8Array): string {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  return new TextDecoder().decode(file.subarray(8, 8 + length));
}

/** Archives whose members are damaged inside, so that the archive itself can be opened. */
function repacked(names: readonly string[], member: string, damage: (members: Uint8Array[]) => fc.Arbitrary<Input>) {
  const archives = names.map((name) => unzipSync(bytesOf(name)));
  return fc
    .tuple(fc.constantFrom(...archives), damage(archives.map((archive) => archive[member]!)))
    .map(([archive, by]): Input => {
      const bytes = typeof by === "string" ? text(by) : by;
      return zipSync({ ...archive, [member]: bytes }, { level: 0 });
    });
}

const decoded = (members: Uint8Array[]) => misshapen(members.map((bytes) => new TextDecoder().decode(bytes)));

export const TARGETS: readonly Target[] = [
  {
    name: "pickle",
    usual: 8000,
    inputs: () => damaged(TORCH.map((name) => pickleIn(bytesOf(name)))),
    read: (input) => unpickle(input as Uint8Array, "input.pt"),
  },
  {
    name: "npy",
    usual: 5000,
    inputs: () => damaged([bytesOf("test/fixtures/formats/fortran.npy")]),
    read: (input) => decodeNpy(input as Uint8Array, "input.npy"),
  },
  {
    name: "pt",
    usual: 2000,
    inputs: () => damaged(TORCH.map(bytesOf)),
    read: fromDisk("input.pt", readTorchCheckpoint),
  },
  {
    name: "npz",
    usual: 1000,
    inputs: () => damaged(["arrays", "compressed"].map((name) => bytesOf(`test/fixtures/formats/${name}.npz`))),
    read: fromDisk("input.npz", readNpz),
  },
  {
    name: "safetensors",
    usual: 2000,
    inputs: () => damaged([bytesOf("test/fixtures/formats/tensors.safetensors")]),
    read: fromDisk("input.safetensors", async (file) => readTensors((await readHeader(file)).tensors)),
  },
  {
    name: "safetensors-header",
    usual: 1000,
    inputs: () => misshapen([headerOf(bytesOf("test/fixtures/formats/tensors.safetensors"))]).map(withHeader),
    read: fromDisk("input.safetensors", async (file) => readTensors((await readHeader(file)).tensors)),
  },
  {
    name: "csv",
    usual: 1000,
    inputs: () => damaged([text('a,b,label\n1,2,x\n3,4,"y ""z"""\n')]),
    read: fromDisk("input.csv", (file) => readTable(file, "label")),
  },
  {
    name: "h5",
    usual: 300,
    inputs: async () => {
      await hdf5();
      return damaged(["cnn", "recurrent"].map((name) => bytesOf(`test/fixtures/keras/${name}.h5`)));
    },
    read: fromDisk("input.h5", model),
  },
  {
    name: "keras",
    usual: 400,
    inputs: async () => {
      await hdf5();
      return damaged(ARCHIVES.map(bytesOf));
    },
    read: fromDisk("input.keras", model),
  },
  {
    name: "keras-config",
    usual: 400,
    inputs: async () => {
      await hdf5();
      return repacked(ARCHIVES, "config.json", decoded);
    },
    read: fromDisk("input.keras", model),
  },
  {
    name: "keras-weights",
    usual: 400,
    inputs: async () => {
      await hdf5();
      return repacked(ARCHIVES, "model.weights.h5", damaged);
    },
    read: fromDisk("input.keras", model),
  },
  {
    name: "keras-json",
    usual: 600,
    inputs: () => misshapen(KERAS_JSON.map(textOf)),
    read: source("model.json"),
  },
  {
    name: "keras-json-text",
    usual: 500,
    inputs: () => damaged(KERAS_JSON.map(bytesOf)).map((bytes) => new TextDecoder().decode(bytes)),
    read: source("model.json"),
  },
  {
    name: "tfjs-weights",
    usual: 200,
    inputs: () => misshapen([textOf("test/fixtures/keras/tfjs/model.json")]),
    read: async (input, folder) => {
      await cp(path.join(__dirname, "../fixtures/keras/tfjs"), folder, { recursive: true });
      await fromDisk("model.json", model)(input, folder);
    },
  },
  {
    name: "notebook",
    usual: 200,
    inputs: () =>
      fc.oneof(misshapen([textOf("examples/course/lora.ipynb")]), garbled([textOf("examples/course/lora.ipynb")])),
    read: source("model.ipynb"),
  },
  {
    name: "javascript",
    usual: 200,
    inputs: () => garbled(TFJS_SOURCES, TFJS_HOSTILE),
    read: source("model.js"),
  },
  {
    name: "adapter-config",
    usual: 500,
    inputs: () => misshapen(namesUnder("test/fixtures", "adapter_config.json").map(textOf)),
    read: fromDisk("adapter_config.json", async (file) => {
      const config = await readAdapterConfig(file);
      await writeAdapterConfig(file, config);
      assert.deepEqual(await readAdapterConfig(file), config, "it reads what it wrote");
      const model = { root: await digits(), className: "Net" };
      matchTargets(model, withTargets(config, model));
    }),
  },
  {
    name: "index",
    usual: 500,
    inputs: () =>
      misshapen([
        JSON.stringify({
          metadata: { total_size: 1 },
          weight_map: { float32: "a.safetensors", int8: "a.safetensors", "x.y": "sub/b.safetensors" },
        }),
      ]),
    read: async (input, folder) => {
      mkdirSync(path.join(folder, "sub"), { recursive: true });
      writeFileSync(path.join(folder, "a.safetensors"), bytesOf("test/fixtures/formats/tensors.safetensors"));
      for (const name of ["model.safetensors.index.json", "pytorch_model.bin.index.json"]) {
        const file = path.join(folder, name);
        await writeFile(file, input);
        await openWeights(file).catch(refusal);
      }
    },
  },
  {
    name: "config",
    usual: 300,
    inputs: () =>
      misshapen([JSON.stringify({ n_embd: 8, n_layer: 2, n_head: 2, vocab_size: 11, dropout: 0.1, a: [1, "b"] })]),
    read: async (input, folder) => {
      writeFileSync(path.join(folder, "config.json"), input);
      const content = CONFIGURED;
      ask(await openModelFile(path.join(folder, "model.py"), content, LIMITS));
    },
  },
  {
    name: "yaml",
    usual: 600,
    inputs: () => damaged([text(YAML), text(ALIASES)]),
    read: async (input, folder) => {
      writeFileSync(path.join(folder, "sizes.yaml"), input);
      ask(await openModelFile(path.join(folder, "model.py"), OF_YAML, LIMITS));
    },
  },
  {
    name: "json-in-code",
    usual: 300,
    inputs: () => damaged([text('{"width": 8, "deep": {"depth": 2, "scale": 1e-1}, "list": [1, "b", null]}')]),
    read: async (input, folder) => {
      writeFileSync(path.join(folder, "sizes.json"), input);
      ask(await openModelFile(path.join(folder, "model.py"), OF_JSON, LIMITS));
    },
  },
  {
    name: "python-tokens",
    usual: 300,
    inputs: () => garbled(pythonModels()),
    read: source("model.py"),
  },
  {
    name: "python",
    usual: 800,
    inputs: async () => reshaped(await parsedSources()),
    read: source("model.py"),
  },
];

const YAML = `# sizes
width: 8
deep: &deep {depth: 2, scale: 1e-1, on: yes}
model:
  _target_: model.Net
  <<: *deep
  width: \${width}
list: [1, 'b', ~, 0x10, 1_000, 12:30]
text: |
  lines
`;
const ALIASES = `a: &a [1, 1, 1, 1]
b: &b [*a, *a, *a, *a]
c: &c [*b, *b, *b, *b]
d: [*c, *c, *c, *c]
width: 4
`;

const netOf = (value: string) => `
class Net(nn.Module):
    def __init__(self, width=${value}["width"], depth=1):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.last = nn.Linear(width, len(${value}))
    def forward(self, x):
        return self.last(x)
`;
const OF_YAML = `import yaml
from omegaconf import OmegaConf
from torch import nn
with open("sizes.yaml") as file:
    sizes = yaml.safe_load(file)
conf = OmegaConf.load("sizes.yaml")
other = nn.Linear(conf.width, conf.model.width)
${netOf("sizes")}
net = Net(**conf.deep)
`;
const OF_JSON = `import json
from torch import nn
sizes = json.load(open("sizes.json"))
${netOf("sizes")}`;

const CONFIGURED = `from torch import nn
class GPTConfig:
    n_embd: int = 4
    n_layer: int = 1
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config.n_embd, config.a[0] * config.n_embd)
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.drop = nn.Dropout(config.dropout)
        self.attn = nn.MultiheadAttention(config.n_embd, config.n_head)
    def forward(self, ids):
        x = self.wte(ids)
        for block in self.h:
            x = x + block(x)
        return self.drop(x)
`;

let digitsRoot: ReturnType<typeof rootOfDigits> | undefined;
async function rootOfDigits() {
  const { models } = await openModelFile("model.py", textOf("examples/digits/model.py"));
  return models[0]!.root;
}
function digits() {
  digitsRoot ??= rootOfDigits();
  return digitsRoot;
}

/** Reads one input; throws when that is a finding. */
export async function attempt(target: Target, input: Input, folder: string): Promise<void> {
  try {
    await target.read(input, folder);
  } catch (error) {
    refusal(error);
  }
  // Nothing that a file says becomes a property of every object.
  assert.equal(({} as { polluted?: unknown }).polluted, undefined, "the prototype of all objects was changed");
}
