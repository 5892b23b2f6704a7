import { strict as assert } from "node:assert";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeltaReport } from "../../../../src/protocol/reports/delta";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { loadTensor, readHeader, writeSafetensors } from "../../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../../src/worker/formats/tensor";
import { delta } from "../../../../src/worker/jobs/delta/delta";
import { savedLayers } from "../../../../src/worker/jobs/delta/savedLayers";
import { loadAdapter, readAdapter, saveAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { pauseFor } from "../../../../src/worker/numbers/algebra/matrix";
import { invoke, json, ROOT } from "../../cli/invoke";

const FIXTURES = join(ROOT, "test/fixtures/adapters");
const never = new AbortController().signal;
const context = { onProgress: () => undefined, signal: never, stop: never };

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

describe("delta weights of a saved adapter", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lora-lens-delta-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);

  it("are what PEFT's get_delta_weight gives, with any scale, rank, initialization and storage of the weight", async () => {
    const { tensors: expected } = await readHeader(join(FIXTURES, "deltas.safetensors"));
    const cases = [...new Set([...expected.keys()].map((key) => key.split("/")[0]!))];
    assert.equal(cases.length, 12);
    for (const name of cases) {
      const output = at(`${name}.safetensors`);
      const { layers } = await delta({ adapter: join(FIXTURES, name), output }, context);
      const { tensors, metadata } = await readHeader(output);
      assert.equal(metadata["lora_lens.adapter"], name);
      const wanted = [...expected.keys()].filter((key) => key.startsWith(`${name}/`));
      assert.deepEqual([...tensors.keys()].sort(), wanted.map((key) => key.slice(name.length + 1)).sort());
      for (const key of wanted) {
        const path = key.slice(name.length + 1);
        const [ours, peft] = await Promise.all([tensors.get(path)!, expected.get(key)!].map(loadTensor));
        assert.equal(ours!.dtype, "float32");
        assert.deepEqual(ours!.shape, peft!.shape, key);
        const [x, y] = [toFloat32(ours!), toFloat32(peft!)];
        const largest = Math.max(...y.map(Math.abs));
        // A sum of at most 24 products in float32.
        const bound = 24 * 2 ** -23 * largest;
        for (let i = 0; i < x.length; i++) assert.ok(Math.abs(x[i]! - y[i]!) <= bound, `${key} at ${i}`);
        const row = layers.find((layer) => layer.path === path)!;
        assert.ok(Math.abs(row.deltaNorm - norm(y)) <= 1e-6 * norm(y), key);
      }
    }
  });

  it("have singular values, as many as the rank, whose squares add up to the norm's", async () => {
    for (const name of ["mlp-true", "mlp-high-rank", "mlp-zero"]) {
      const { layers } = await delta(
        { adapter: join(FIXTURES, name), output: at("s.safetensors"), singularValues: true },
        context,
      );
      for (const { path, rank, shape, deltaNorm, singularValues } of layers) {
        const values = singularValues!;
        assert.equal(values.length, Math.min(rank, ...shape), path);
        assert.deepEqual(
          [...values].sort((a, b) => b! - a!),
          values,
          path,
        );
        const sum = Math.sqrt(values.reduce((squares: number, value) => squares + value! * value!, 0));
        assert.ok(Math.abs(sum - deltaNorm!) <= 1e-6 * deltaNorm!, `${name} ${path}: ${sum}, not ${deltaNorm}`);
      }
    }
    const { layers } = await delta({ adapter: join(FIXTURES, "mlp-true"), output: at("s.safetensors") }, context);
    assert.ok(layers.every((layer) => !("singularValues" in layer)));
  });

  it("have the norm that the two factors give without the product", async () => {
    for (const name of ["mlp-true", "mlp-high-rank", "mlp-zero", "block-mica", "untied-head"]) {
      const report = await delta({ adapter: join(FIXTURES, name), output: at("n.safetensors") }, context);
      const { tensors } = await loadAdapter(join(FIXTURES, name));
      for (const one of savedLayers(await readAdapter(join(FIXTURES, name)))) {
        const found = await one.variant.deltaNorm!(one, (path) => tensors.get(path)!, pauseFor(undefined));
        const { deltaNorm } = report.layers.find(({ path }) => path === one.layer.path)!;
        assert.ok(Math.abs(found - deltaNorm) <= 1e-6 * deltaNorm, `${name} ${one.layer.path}: ${found} ${deltaNorm}`);
      }
    }
  });

  it("are told by the command line with their shares of the base's weights", async () => {
    const [adapter, base] = [join(FIXTURES, "mlp-true"), join(FIXTURES, "Mlp.safetensors")];
    const report = await json<DeltaReport>("delta", adapter, "--out", at("d.safetensors"), "--base", base);
    const weights = await readHeader(base);
    for (const { path, deltaNorm, weightNorm, share } of report.layers) {
      const weight = norm(toFloat32(await loadTensor(weights.tensors.get(`${path}.weight`)!)));
      assert.ok(Math.abs(weightNorm! - weight) <= 1e-6 * weight);
      assert.equal(share, deltaNorm / weightNorm!);
    }
    const { out, code } = await invoke("delta", adapter, "--out", at("d.safetensors"), "--base", base);
    assert.equal(code, 0);
    assert.match(out, /layer +shape +‖ΔW‖ +‖ΔW‖\/‖W₀‖\n +fc1 +\[20, 12\] +[\d.]+ +[\d.]+\n/);
    assert.match(out, /wrote .*d\.safetensors: 2 tensors, float32/);
    const plain = await invoke("delta", adapter, "--out", at("d.safetensors"));
    assert.doesNotMatch(plain.out, /W₀/);
  });

  it("say that they go on what PiSSA left of the base, and which layers the base lacks", async () => {
    const base = join(FIXTURES, "LanguageModel.safetensors");
    const request = { adapter: join(FIXTURES, "mlp-pissa-rslora"), output: at("p.safetensors"), base };
    const { warnings = [], layers } = await delta(request, context);
    assert.match(warnings[0]!, /init_lora_weights "pissa".*what is left/);
    assert.match(warnings[1]!, /no weight of this size for fc1, fc2/);
    assert.ok(layers.every(({ weightNorm, share }) => weightNorm === null && share === null));
  });

  it("are refused where the tensors do not go with the configuration, or are no linear layer's", async () => {
    await cp(join(FIXTURES, "mlp-true"), at("wrong"), { recursive: true });
    const file = join(at("wrong"), "adapter_config.json");
    const config = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...config, r: 2 }));
    const run = (name: string) => delta({ adapter: at(name), output: at("x.safetensors") }, context);
    await assert.rejects(run("wrong"), /fc1 has A \[4, 12\] and B \[20, 4\], and its rank is 2/);
    const keyed = new Map<string, Tensor>([
      ["base_model.model.conv.lora_A.weight", float32([1, 1, 1, 1], [1])],
      ["base_model.model.conv.lora_B.weight", float32([1, 1, 1, 1], [1])],
    ]);
    await writeSafetensors(join(at("wrong"), "adapter_model.safetensors"), keyed);
    await assert.rejects(run("wrong"), /conv has .*linear layers alone/);
  });

  it("replace neither the adapter nor the base, and are not written where they are not finite", async () => {
    const { config, tensors } = await loadAdapter(join(FIXTURES, "mlp-true"));
    const broken = new Map(
      [...tensors].map(([name, t]) => [
        name,
        float32(
          t.shape,
          toFloat32(t).map(() => Infinity),
        ),
      ]),
    );
    await saveAdapter(at("broken"), config, broken);
    const own = join(at("broken"), "adapter_model.safetensors");
    await assert.rejects(delta({ adapter: at("broken"), output: own }, context), /must not be replaced/);
    await assert.rejects(delta({ adapter: at("broken"), output: at("b.safetensors") }, context), /not finite/);
    await assert.rejects(readFile(at("b.safetensors")), /ENOENT/);
  });
});
