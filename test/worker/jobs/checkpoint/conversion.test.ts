import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../../../src/worker/formats/errors";
import { loadTensor } from "../../../../src/worker/formats/safetensors";
import { float32, type StoredTensor } from "../../../../src/worker/formats/tensor";
import { type Converted, convertCheckpoint } from "../../../../src/worker/jobs/checkpoint/conversion";
import type { KeyConversion, KeyConversions } from "../../../../src/worker/readers/keyConversion";

interface Flat {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Case extends KeyConversions {
  readonly checkpoint: Readonly<Record<string, Flat>>;
  readonly loaded: Readonly<Record<string, Flat>>;
}

const CASES: Readonly<Record<string, Case>> = JSON.parse(
  readFileSync(join(__dirname, "../../../fixtures/checkpoints/conversions.json"), "utf8"),
);

const tensorsOf = (flat: Readonly<Record<string, Flat>>): Map<string, StoredTensor> =>
  new Map(Object.entries(flat).map(([name, { shape, data }]) => [name, float32(shape, data)]));

async function flatOf(tensors: ReadonlyMap<string, StoredTensor>): Promise<Record<string, Flat>> {
  const flat: Record<string, Flat> = {};
  for (const [name, tensor] of tensors) {
    const { shape, data } = await loadTensor(tensor);
    assert.deepEqual(tensor.shape, shape, `the shape that ${name} is said to have`);
    flat[name] = { shape, data: [...(data as Float32Array)] };
  }
  return flat;
}

const shapesOf = ({ loaded }: Case) => new Map(Object.entries(loaded).map(([path, { shape }]) => [path, shape]));

/** The checkpoint made again of what was loaded from it. */
function madeAgain({ values, origins }: Converted): Map<string, StoredTensor> {
  const again = new Map<string, StoredTensor>();
  for (const [path, origin] of origins) {
    if (typeof origin === "string") again.set(origin, values.get(path)!);
    else for (const [key, tensor] of origin.back(values)) again.set(key, tensor);
  }
  return again;
}

const rename = (source: string, target: string, more: Partial<KeyConversion> = {}): KeyConversion => ({
  kind: "rename",
  pattern: `(?P<g0>${source})`,
  sources: [source],
  targets: [target],
  steps: [],
  ...more,
});

const fails = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error) => error instanceof UserError && message.test(error.message));

describe("conversion of a checkpoint's keys", () => {
  for (const [name, given] of Object.entries(CASES)) {
    it(`converts a checkpoint as transformers does by its entry for ${name}`, async () => {
      const found = convertCheckpoint(given, tensorsOf(given.checkpoint), shapesOf(given));
      assert.deepEqual(found.unused, []);
      assert.deepEqual(await flatOf(found.values), given.loaded);
    });

    it(`restores the checkpoint, bit for bit, by the reverse of ${name}`, async () => {
      const found = convertCheckpoint(given, tensorsOf(given.checkpoint), shapesOf(given));
      assert.deepEqual(await flatOf(madeAgain(found)), given.checkpoint);
    });
  }

  it("leaves a checkpoint unchanged that already has the model's names", () => {
    const given = CASES.ViTModel!;
    const own = tensorsOf(given.loaded);
    const found = convertCheckpoint(given, own, shapesOf(given));
    assert.deepEqual([...found.origins].sort(), [...own.keys()].map((key) => [key, key]).sort());
  });

  it("leaves a key unchanged that is in the model while its new name is not", () => {
    const tensors = new Map<string, StoredTensor>([["norm.weight", float32([1], [0])]]);
    const conversions = { base: "", load: [rename("norm", "layernorm")] };
    const found = convertCheckpoint(conversions, tensors, new Map([["norm.weight", [1]]]));
    assert.deepEqual([...found.origins], [["norm.weight", "norm.weight"]]);
  });

  it("does not shift names again that have been shifted: norm1 and norm2 without a norm0", () => {
    const shift: KeyConversion = {
      kind: "guarded",
      pattern: "(?P<g0>norm0)|(?P<g1>norm1)",
      sources: ["norm0", "norm1"],
      targets: ["norm1", "norm2"],
      steps: [],
    };
    const shapes = new Map(["norm1", "norm2"].map((path) => [path, [1]]));
    const originsOf = (...keys: string[]) => {
      const tensors = new Map<string, StoredTensor>(keys.map((key) => [key, float32([1], [0])]));
      return Object.fromEntries(convertCheckpoint({ base: "", load: [shift] }, tensors, shapes).origins);
    };
    assert.deepEqual(originsOf("norm1", "norm2"), { norm1: "norm1", norm2: "norm2" });
    assert.deepEqual(originsOf("norm0", "norm1"), { norm1: "norm0", norm2: "norm1" });
  });

  it("adds or removes the base model's name, depending on whether the model has a head", () => {
    const tensors = new Map<string, StoredTensor>([
      ["layers.0.old", float32([1], [1])],
      ["bert.norm.weight", float32([1], [2])],
      ["head.weight", float32([1], [3])],
    ]);
    const conversions = { base: "bert", load: [rename("old", "new")] };
    const withHead = convertCheckpoint(
      conversions,
      tensors,
      new Map([
        ["bert.layers.0.new", [1]],
        ["head.weight", [1]],
      ]),
    );
    assert.deepEqual(
      [...withHead.origins],
      [
        ["head.weight", "head.weight"],
        ["bert.layers.0.new", "layers.0.old"],
      ],
    );
    assert.deepEqual(withHead.unused, ["bert.norm.weight"]);
    const bare = convertCheckpoint(
      conversions,
      tensors,
      new Map([
        ["layers.0.new", [1]],
        ["norm.weight", [1]],
      ]),
    );
    assert.deepEqual(bare.unused, ["head.weight"]);
    assert.equal(bare.origins.get("norm.weight"), "bert.norm.weight");
  });

  it("applies an entry only to its module, and not to a sibling with the same parts", () => {
    const tensors = new Map<string, StoredTensor>(
      ["vision.fc.weight", "text.fc.weight"].map((key) => [key, float32([1], [0])]),
    );
    const conversions = { base: "", load: [rename("fc", "linear", { scope: "vision" })] };
    const shapes = new Map([
      ["vision.linear.weight", [1]],
      ["text.fc.weight", [1]],
      ["text.linear.weight", [1]],
    ]);
    const { origins } = convertCheckpoint(conversions, tensors, shapes);
    assert.deepEqual([...origins].sort(), [
      ["text.fc.weight", "text.fc.weight"],
      ["vision.linear.weight", "vision.fc.weight"],
    ]);
  });

  it("refuses an operation that it does not know, by name", () => {
    const load: KeyConversion[] = [
      rename("a", "b", { kind: "rearrange", steps: [{ name: "Fp8Dequantize", fields: {} }] }),
    ];
    const tensors = new Map<string, StoredTensor>([["a", float32([1], [1])]]);
    fails(() => convertCheckpoint({ base: "", load }, tensors, new Map([["b", [1]]])), /b: .*"Fp8Dequantize"/);
  });

  it("refuses tensors that cannot be concatenated, and names both shapes", () => {
    const { mixtral } = CASES;
    const tensors = tensorsOf(mixtral!.checkpoint);
    tensors.set("model.layers.1.block_sparse_moe.experts.3.w1.weight", float32([3, 3], new Array(9).fill(0)));
    fails(
      () => convertCheckpoint(mixtral!, tensors, shapesOf(mixtral!)),
      /gate_up_proj cannot be converted .*\[1, 2, 3\] and float32 \[1, 3, 3\]/,
    );
  });

  it("refuses an invalid pattern, and one that cannot be matched here", () => {
    const tensors = new Map<string, StoredTensor>([["a", float32([1], [1])]]);
    for (const pattern of ["a(", "(?(1)a|b)", "(?>a)"])
      fails(
        () => convertCheckpoint({ base: "", load: [rename(pattern, "b")] }, tensors, new Map()),
        /cannot be matched here/,
      );
  });

  it("makes as many parts as the configuration says, and refuses more than there are elements", async () => {
    const tensors = new Map<string, StoredTensor>([["whole", float32([4, 1], [1, 2, 3, 4])]]);
    const shapes = new Map(["part_0", "part_1"].map((path) => [path, [2, 1]]));
    const inParts = (parts: number) => {
      const step = { name: "Chunk", fields: { dim: 0 }, parts };
      const reverse = rename("part_*", "whole", { kind: "rearrange", steps: [] });
      const load = [rename("whole", "part_*", { kind: "rearrange", steps: [step], reverse })];
      return convertCheckpoint({ base: "", load }, tensors, new Map([...shapes, ["part_*", [1]]]));
    };
    assert.deepEqual((await flatOf(inParts(2).values)).part_1, { shape: [2, 1], data: [3, 4] });
    for (const parts of [1e12, 5, 0, -1, 1.5])
      fails(() => inParts(parts), /\[4, 1\] cannot be split into [-\d.e+]+ parts/);
  });

  it("stops a pattern that would take years to match", () => {
    const load = [rename("(a+)+$", "b")];
    const tensors = new Map<string, StoredTensor>([[`${"a".repeat(60)}!`, float32([1], [1])]]);
    fails(() => convertCheckpoint({ base: "", load }, tensors, new Map([["b", [1]]]), 100), /takes longer than 0\.1 s/);
  });
});
