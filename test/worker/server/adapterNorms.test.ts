import { strict as assert } from "node:assert";
import { cp, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { yieldToEvents } from "../../../src/worker/formats/files";
import { loadTensor, readHeader, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../src/worker/formats/tensor";
import { adapterText } from "../../../src/worker/language/adapterNorms";
import { loadAdapter, saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { AdapterNormsCache } from "../../../src/worker/server/adapterNorms";

const FIXTURES = join(__dirname, "../../fixtures/adapters");
const pause = async () => {};

async function normIn(file: string, key: string): Promise<number> {
  const { tensors } = await readHeader(file);
  return Math.sqrt(toFloat32(await loadTensor(tensors.get(key)!)).reduce((sum, x) => sum + x * x, 0));
}

describe("norms of the adapter beside a model", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lora-lens-norms-"));
    await cp(join(FIXTURES, "mlp-true"), join(folder, "net-lora"), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const model = () => ({ file: join(folder, "net.py"), class: "Mlp" });
  const weights = join(FIXTURES, "Mlp.safetensors");

  it("are those of PEFT's delta weight and of the base's weight, for the layers that are asked for", async () => {
    const norms = await new AdapterNormsCache().of(model(), { weights }, ["fc2"], pause);
    assert.deepEqual(norms!.notes, []);
    assert.equal(norms!.folder, "net-lora");
    const [{ path, delta, weight }] = norms!.layers as [(typeof norms & object)["layers"][number]];
    assert.equal(path, "fc2");
    const expected = await normIn(join(FIXTURES, "deltas.safetensors"), "mlp-true/fc2");
    assert.ok(Math.abs(delta - expected) <= 1e-6 * expected, `${delta}, not ${expected}`);
    const base = await normIn(weights, "fc2.weight");
    assert.ok(Math.abs(weight! - base) <= 1e-6 * base, `${weight}, not ${base}`);
  });

  it("are without the base's where none was chosen, and say how to choose it", async () => {
    const norms = await new AdapterNormsCache().of(model(), {}, ["fc1", "fc2"], pause);
    assert.deepEqual(
      norms!.layers.map(({ path, weight }) => [path, weight]),
      [
        ["fc1", undefined],
        ["fc2", undefined],
      ],
    );
    assert.match(norms!.notes.join(), /choose the base's weights/);
  });

  it("are none where no trained adapter of the class lies there, or it is not on the layer", async () => {
    const cache = new AdapterNormsCache();
    assert.equal(await cache.of(model(), {}, ["head"], pause), undefined);
    assert.equal(await cache.of({ ...model(), class: "Other" }, {}, ["fc1"], pause), undefined);
    assert.equal(await cache.of(model(), { folder: join(folder, "none") }, ["fc1"], pause), undefined);
    await rm(join(folder, "net-lora", "adapter_model.safetensors"));
    assert.equal(await cache.of(model(), {}, ["fc1"], pause), undefined);
  });

  it("are kept until the file changes", async () => {
    const cache = new AdapterNormsCache();
    let pauses = 0;
    const counted = async () => void pauses++;
    const norm = async () => (await cache.of(model(), { weights }, ["fc1"], counted))!.layers[0]!.delta;
    const first = await norm();
    assert.ok(pauses > 0);
    pauses = 0;
    assert.equal(await norm(), first);
    assert.equal(pauses, 0, "it was computed again");

    const { config, tensors } = await loadAdapter(join(folder, "net-lora"));
    const doubled = (name: string, t: Tensor) => (name.includes("lora_B") ? toFloat32(t).map((x) => 2 * x) : t.data);
    const changed = new Map(
      [...tensors].map(([name, t]) => [name, float32(t.shape, doubled(name, t) as Float32Array)]),
    );
    await saveAdapter(join(folder, "net-lora"), config, changed);
    await utimes(join(folder, "net-lora", "adapter_model.safetensors"), 1, 1);
    assert.ok(Math.abs((await norm()) - 2 * first) <= 1e-5 * first);
  });

  it("say why an adapter cannot be used, and go on once it can", async () => {
    const cache = new AdapterNormsCache();
    const file = join(folder, "net-lora", "adapter_config.json");
    const config = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...config, r: 2 }));
    const norms = await cache.of(model(), {}, ["fc1"], pause);
    assert.match(norms!.notes.join(), /cannot be used: .*its rank is 2 by adapter_config\.json/);
    await writeFile(file, JSON.stringify(config));
    assert.equal((await cache.of(model(), {}, ["fc1"], pause))!.layers.length, 1);
  });

  it("of a layer of 4,096 × 4,096 at rank 16 never hold the worker for long", async () => {
    const size = 4096;
    const filled = (shape: number[]) => float32(shape, new Float32Array(shape[0]! * shape[1]!).fill(0.01));
    const { config } = await loadAdapter(join(folder, "net-lora"));
    const tensors = new Map([
      ["fc.lora_A.weight", filled([16, size])],
      ["fc.lora_B.weight", filled([size, 16])],
    ]);
    await saveAdapter(join(folder, "net-lora"), { ...config, r: 16, lora_alpha: 16, target_modules: ["fc"] }, tensors);
    const large = join(folder, "large.safetensors");
    await writeSafetensors(large, new Map([["fc.weight", filled([size, size])]]));
    // Of the processor, since a busy machine lets others go first.
    const spent = () => process.cpuUsage().user / 1000;
    let last = spent();
    const turns: number[] = [];
    const timed = async () => {
      turns.push(spent() - last);
      await yieldToEvents();
      last = spent();
    };
    const norms = await new AdapterNormsCache().of(model(), { weights: large }, ["fc"], timed);
    const [{ delta, weight }] = norms!.layers as [(typeof norms & object)["layers"][number]];
    // Every number of the product is 16 * 1e-4.
    assert.ok(Math.abs(delta - 16e-4 * size) <= 1e-5 * delta, `${delta}`);
    assert.ok(Math.abs(weight! - 0.01 * size) <= 1e-5 * weight!, `${weight}`);
    turns.sort((a, b) => a - b);
    const usual = turns[Math.floor(0.9 * turns.length)]!;
    // The aim is 10 ms; processors differ.
    assert.ok(turns.length >= 64 && usual < 30, `${turns.length} turns, nine of ten within ${usual} ms`);
  });

  it("are a line in the hover for one layer", () => {
    const only = { folder: "net-lora", layers: [{ path: "fc1", delta: 0.5, weight: 10 }], more: 0, notes: [] };
    assert.equal(adapterText(only), "**Adapter** in `net-lora` · ‖ΔW‖ 0.5 · ‖ΔW‖/‖W₀‖ 5.0 %");
    const alone = { ...only, layers: [{ path: "fc1", delta: 0.5 }], notes: ["A note."] };
    assert.equal(adapterText(alone), "**Adapter** in `net-lora` · ‖ΔW‖ 0.5  \nA note.");
  });

  it("are a table in the hover for several, which no name can break", () => {
    const text = adapterText({
      folder: "net-lora",
      layers: [
        { path: "fc1", delta: 0.5, weight: 10 },
        { path: "a|b", delta: 2 },
      ],
      more: 3,
      notes: ["A note."],
    });
    assert.equal(
      text,
      "**Adapter** in `net-lora`\n\n| layer | ‖ΔW‖ | ‖ΔW‖/‖W₀‖ |\n| :--- | ---: | ---: |\n| `fc1` | 0.5 | 5.0 % |\n| `a\\|b` | 2 |  |\n\n… and 3 more layers.  \nA note.",
    );
  });
});
