import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  AnalyzeReport,
  EngineSummary,
  MergeReport,
  TrainReport,
  VerifyReport,
} from "../../../src/protocol/reports";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { readNpz, writeNpz } from "../../../src/worker/formats/numpy/npz";
import { readHeader, readTensors, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { allocate, float32, type Tensor } from "../../../src/worker/formats/tensor";
import { loadAdapter, saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { chooseModel, openModelFile } from "../../../src/worker/readers/open";
import { patternWeights } from "../../fixtures/layers/patternWeights";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke, json, ROOT, TRANSFORMER } from "./invoke";

const FIXTURES = join(ROOT, "test/fixtures");
const MLP = join(FIXTURES, "training/mlp/model.py");
const MLP_WEIGHTS = join(FIXTURES, "training/mlp-adam/base.safetensors");
const MLP_ADAPTER = join(FIXTURES, "training/mlp-adam/final");
const CPU = ["--engine", "onnxruntime-cpu"];

interface Layer {
  readonly path: string;
  readonly kind: string;
  readonly inFeatures: number | null;
  readonly outFeatures: number | null;
  readonly bias: boolean | null;
  readonly parameters: number;
  readonly line: number;
}
interface Layers {
  readonly models: readonly {
    readonly class: string;
    readonly line: number;
    readonly parameters: number;
    readonly layers: readonly Layer[];
  }[];
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

const EXAMPLES = [
  { name: "digits", file: DIGITS },
  { name: "transformer", file: TRANSFORMER },
] as const;

/** Largest absolute difference of one output. */
async function difference(file: string, expected: Tensor): Promise<number> {
  const output = (await readNpz(file)).get("output")!;
  assert.deepEqual(output.shape, expected.shape);
  const [x, y] = [toFloat32(output), toFloat32(expected)];
  return x.reduce((worst, v, i) => Math.max(worst, Math.abs(v - y[i]!)), 0);
}

describe("the command line", () => {
  const at = temporaryFolder();

  for (const { name, file } of EXAMPLES) {
    it(`layers of the ${name} example are PyTorch's`, async () => {
      const expected: { class: string; parameters: number; layers: Omit<Layer, "line">[] } = JSON.parse(
        await readFile(join(FIXTURES, `layers/${name}.json`), "utf8"),
      );
      const printed = await json<Layers>("layers", file);
      assert.deepEqual(Object.keys(printed), ["models", "problems"]);
      assert.deepEqual(printed.problems, []);
      const model = printed.models.find((m) => m.class === expected.class)!;
      assert.deepEqual(Object.keys(model), ["class", "line", "parameters", "layers"]);
      assert.equal(model.parameters, expected.parameters);
      // PyTorch's list has the modules of the file's own classes, too, and the containers.
      const own = new Set([...printed.models.map((m) => m.class), "ModuleList", "Sequential"]);
      const layers = model.layers.map(({ line: _, ...layer }) => layer);
      // The reference names features of Linear alone; an Embedding's are its table's two sizes.
      for (const layer of layers.filter(({ kind }) => kind === "Embedding")) {
        assert.equal(layer.inFeatures! * layer.outFeatures!, layer.parameters);
      }
      assert.deepEqual(
        layers.map((layer) => (layer.kind === "Embedding" ? { ...layer, inFeatures: null, outFeatures: null } : layer)),
        expected.layers.filter((layer) => !own.has(layer.kind)),
      );
      const lines = (await readFile(file, "utf8")).split("\n");
      for (const layer of model.layers) assert.ok(lines[layer.line - 1]!.includes(layer.kind), `line ${layer.line}`);
    });

    it(`run gives PyTorch's output of the ${name} example`, async () => {
      const model = chooseModel(await openModelFile(file));
      const weights = model.stateDict.filter((entry) => !entry.buffer);
      await writeSafetensors(
        at("w.safetensors"),
        new Map(weights.map(({ path, shape }, i) => [path, patternWeights(i, path, shape as number[])])),
        {},
      );
      const tensors = await readTensors((await readHeader(join(FIXTURES, `layers/${name}.safetensors`))).tensors);
      const expected = tensors.get("output")!;
      tensors.delete("output");
      await writeNpz(at("x.npz"), tensors);
      const paths = ["--weights", at("w.safetensors"), "--inputs", at("x.npz"), "--out", at("y.npz")];
      await json("run", file, ...paths, ...CPU);
      const found = await difference(at("y.npz"), expected);
      assert.ok(found <= 1e-5, `outputs differ by ${found}`);
    });
  }

  it("layers lists only the named class, and lists the classes when there is none of that name", async () => {
    const { models } = await json<Layers>("layers", TRANSFORMER, "--class", "FeedForward");
    assert.deepEqual(
      models.map((model) => model.class),
      ["FeedForward"],
    );
    const refused = await invoke("layers", TRANSFORMER, "--class", "Nothing");
    assert.equal(refused.code, 2);
    assert.match(refused.error, /Nothing.*SelfAttention/);
  });

  it("verify passes on the digits example and prints each check", async () => {
    const { code, out, error } = await invoke("verify", DIGITS, ...CPU);
    assert.equal(error, "");
    assert.match(out, /11 of 11 checks passed/);
    assert.equal(code, 0);
  });

  it("verify passes on the transformer example", async () => {
    const report = await json<VerifyReport>("verify", TRANSFORMER, "--target-modules", "query,fc2", ...CPU);
    assert.equal(report.passed, true);
    assert.equal(report.injection.targets.length, 4);
  }).timeout(60_000);

  it("verify ends with 1 when a check fails: an adapter whose B is zero does nothing", async () => {
    const { config, tensors } = await loadAdapter(MLP_ADAPTER);
    const zeroed = new Map(
      [...tensors].map(([name, t]) => [name, name.includes("lora_B") ? allocate("float32", t.shape) : t]),
    );
    await saveAdapter(at("zero"), config, zeroed);
    const { code, out } = await invoke("verify", MLP, "--adapter", at("zero"), ...CPU, "--json");
    assert.equal(code, 1);
    const failed = (JSON.parse(out) as VerifyReport).checks.filter((check) => !check.passed).map((check) => check.id);
    assert.ok(failed.includes("perturbed-differs"), `failed: ${failed}`);
  });

  it("run with PEFT's adapter equals run on the merged weights, and a second merge is refused", async () => {
    const x = float32(
      [4, 20],
      Array.from({ length: 80 }, (_, i) => Math.sin(i)),
    );
    await writeNpz(at("x.npz"), new Map([["x", x]]));
    const run = (out: string, ...options: string[]) =>
      json("run", MLP, "--inputs", at("x.npz"), "--out", at(out), ...options, ...CPU);
    await run("base.npz", "--weights", MLP_WEIGHTS);
    await run("adapted.npz", "--weights", MLP_WEIGHTS, "--adapter", MLP_ADAPTER);
    const merge = (weights: string) =>
      ["merge", MLP, "--weights", weights, "--adapter", MLP_ADAPTER, "--out", at("merged.safetensors")] as const;
    const report = await json<MergeReport>(...merge(MLP_WEIGHTS));
    assert.deepEqual(
      report.merged.map(({ path }) => path),
      ["fc1", "fc2"],
    );
    assert.ok(report.merged.every(({ deltaNorm }) => deltaNorm > 0));
    await run("merged.npz", "--weights", at("merged.safetensors"));
    const adapted = (await readNpz(at("adapted.npz"))).get("output")!;
    assert.ok((await difference(at("merged.npz"), adapted)) <= 1e-5);
    assert.ok((await difference(at("base.npz"), adapted)) > 1e-2, "the adapter changes the output");

    const again = await invoke(...merge(at("merged.safetensors")));
    assert.equal(again.code, 2);
    assert.match(again.error, /has this adapter merged into it already/);
  });

  it("graph prints the traced graph, and with --lora the adapters in it", async () => {
    const plain = await json<{ class: string; graph: string }>("graph", DIGITS);
    assert.equal(plain.class, "DigitClassifier");
    assert.match(plain.graph, /fc1\.weight/);
    assert.doesNotMatch(plain.graph, /lora_/);
    const adapted = await json<{ graph: string }>("graph", DIGITS, "--lora", "--rank", "4");
    for (const name of ["fc1.lora_A", "fc1.lora_B", "fc2.lora_A", "fc2.lora_B"])
      assert.ok(adapted.graph.includes(name));
    assert.ok(!adapted.graph.includes("head.lora_A"));
  });

  it("analyze prints JSON, and the same report inside an HTML page whose scripts it cannot end", async () => {
    const report = await json<AnalyzeReport>("analyze", DIGITS, "--html", at("report.html"), "--layer", "fc2");
    assert.equal(report.injection.trainable, 8 * (64 + 128) + 8 * (128 + 128));
    assert.equal(report.focus, "fc2");
    const html = await readFile(at("report.html"), "utf8");
    const data = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(html)![1]!;
    assert.deepEqual(JSON.parse(data), report);
    assert.equal(html.match(/<\/script>/gi)?.length, 2, "the data's own element and the page's script");
  });

  it("train saves an adapter that loads, and each method trains the parameters that it names", async () => {
    const train = (method: string, ...options: string[]) =>
      json<TrainReport>(
        ...["train", DIGITS, "--weights", DIGITS_WEIGHTS, "--data", DIGITS_DATA, "--label", "label", ...CPU],
        ...["--epochs", "1", "--batch-size", "128", "--method", method, "--out", at(method), ...options],
      );
    const lora = await train("lora", "--epochs", "2", "--rank", "4");
    assert.equal(lora.trainable, 4 * (64 + 128) + 4 * (128 + 128));
    assert.equal(lora.epochs.length, 2);
    assert.equal(lora.losses.length, 2 * Math.ceil(lora.samples.train / 128));
    const { config, tensors } = await loadAdapter(at("lora"));
    assert.equal(config.r, 4);
    assert.deepEqual(config.target_modules, ["fc1", "fc2"]);
    assert.equal(tensors.size, 4);
    assert.ok(toFloat32(tensors.get("fc1.lora_B.weight")!).some((v) => v !== 0));

    const base = await readTensors((await readHeader(DIGITS_WEIGHTS)).tensors);
    for (const [method, trainable] of [
      ["head", 1290],
      ["full", 26122],
    ] as const) {
      const report = await train(method);
      assert.equal(report.trainable, trainable);
      assert.equal(report.injection, null);
      const saved = await readTensors((await readHeader(join(at(method), "model.safetensors"))).tensors);
      const moved = [...saved].filter(([path, t]) => !same(t, base.get(path)!)).map(([path]) => path);
      const expected = [...base.keys()].filter((path) => method === "full" || path.startsWith("head."));
      assert.deepEqual(moved.sort(), expected.sort());
    }
  });

  it("engines lists each engine with its device or the reason why it is unavailable, and marks the chosen one", async () => {
    const { engines } = await json<{ engines: EngineSummary[] }>("engines");
    assert.deepEqual(engines.map((e) => e.id).sort(), [
      "onnxruntime-cpu",
      "onnxruntime-cuda",
      "onnxruntime-webgpu",
      "tfjs",
    ]);
    for (const engine of engines) assert.ok(engine.available ? engine.device : engine.reason);
    assert.equal(engines.filter((e) => e.chosen).length, 1);
  });
});

function same(a: Tensor, b: Tensor): boolean {
  const [x, y] = [toFloat32(a), toFloat32(b)];
  return x.every((v, i) => v === y[i]);
}
