import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunReport, RunValue } from "../../../../src/protocol/reports/forward";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { encodeNpy } from "../../../../src/worker/formats/numpy/npy";
import { readNpz, writeNpz } from "../../../../src/worker/formats/numpy/npz";
import { readHeader, readTensors } from "../../../../src/worker/formats/safetensors";
import { float32 } from "../../../../src/worker/formats/tensor";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke, json, ROOT } from "../../cli/invoke";

const FIXTURES = join(ROOT, "test/fixtures/adapters");
const MODEL = join(FIXTURES, "model.py");
const CPU = ["--engine", "onnxruntime-cpu"];

interface Expected {
  readonly model: string;
  readonly shape: readonly number[];
  readonly base: readonly number[];
  readonly adapted: readonly number[];
  readonly largest: number;
  readonly highest: number;
  readonly adaptedHighest: number;
  readonly difference: number;
  readonly at: readonly number[];
}

describe("run of forward on a sample", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lora-lens-run-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);

  it("gives PyTorch's output of the base, PEFT's of the adapted model, and their largest difference", async () => {
    const cases: Record<string, Expected> = JSON.parse(await readFile(join(FIXTURES, "forward.json"), "utf8"));
    const tensors = (await readHeader(join(FIXTURES, "expected.safetensors"))).tensors;
    assert.equal(Object.keys(cases).length, 5);
    for (const [name, expected] of Object.entries(cases)) {
      const start = `${name}/input/`;
      const inputs = new Map([...tensors].filter(([key]) => key.startsWith(start)));
      const given = await readTensors(inputs);
      await writeNpz(at("x.npz"), new Map([...given].map(([key, value]) => [key.slice(start.length), value])));
      const weights = join(FIXTURES, `${expected.model}.safetensors`);
      const options = ["--class", expected.model, "--weights", weights, "--adapter", join(FIXTURES, name)];
      const report = await json<RunReport>("run", MODEL, ...options, "--inputs", at("x.npz"), ...CPU);
      const [output] = report.outputs as [RunReport["outputs"][number]];
      assert.deepEqual(output.shape, expected.shape);
      // Float32 sums of a few dozen products of numbers of this size.
      const bound = 1e-5 * Math.max(1, expected.largest);
      const near = (found: RunValue, wanted: number, what: string) =>
        assert.ok(Math.abs(Number(found) - wanted) <= bound, `${name}: ${what} is ${found}, not ${wanted}`);
      output.first.forEach((value, i) => {
        near(value, expected.base[i]!, `base ${i}`);
      });
      output.adaptedFirst!.forEach((value, i) => {
        near(value, expected.adapted[i]!, `adapted ${i}`);
      });
      near(output.largest, expected.largest, "largest");
      near(output.difference!.largest, expected.difference, "difference");
      if (expected.difference > bound) assert.deepEqual(output.difference!.at, expected.at, name);
      assert.equal(output.highest, expected.highest);
      assert.equal(output.adaptedHighest, expected.adaptedHighest);
    }
  });

  it("draws the sample from the seed, the same each time, and runs the base alone without an adapter", async () => {
    const run = (seed: string) => json<RunReport>("run", DIGITS, "--weights", DIGITS_WEIGHTS, "--seed", seed, ...CPU);
    const [one, again, other] = [await run("1"), await run("1"), await run("2")];
    assert.deepEqual(one.outputs, again.outputs);
    assert.notDeepEqual(one.outputs, other.outputs);
    assert.match(one.inputsFrom, /^random numbers of seed 1 \(shapes: .+\)$/);
    assert.equal(one.adapter, null);
    const [output] = one.outputs as [RunReport["outputs"][number]];
    assert.equal(output.first.length, 10);
    for (const key of ["adaptedFirst", "difference", "adaptedHighest"]) assert.ok(!(key in output), key);
    assert.ok(!("output" in one));
  });

  it("takes a row of a CSV file, says its label, and gives what its numbers give as an .npy file", async () => {
    const base = ["run", DIGITS, "--weights", DIGITS_WEIGHTS, ...CPU];
    const report = await json<RunReport>(...base, "--inputs", DIGITS_DATA, "--row", "3");
    assert.equal(report.inputsFrom, "row 3 of digits.csv");
    const [header, ...lines] = (await readFile(DIGITS_DATA, "utf8")).trim().split("\n");
    const columns = header!.trim().split(",");
    const cells = lines[2]!.trim().split(",");
    assert.deepEqual(report.label, { column: "label", value: cells[columns.indexOf("label")]! });
    const numbers = cells.filter((_, i) => columns[i] !== "label").map(Number);
    await writeFile(at("row.npy"), encodeNpy(float32([1, 64], numbers)));
    const plain = await json<RunReport>(...base, "--inputs", at("row.npy"), "--out", at("y.npz"));
    assert.deepEqual(plain.outputs, report.outputs);
    const written = toFloat32((await readNpz(at("y.npz"))).get(plain.outputs[0]!.name)!);
    assert.deepEqual(plain.outputs[0]!.first, [...written]);
  });

  it("prints base, adapted and difference side by side", async () => {
    const options = ["--class", "Mlp", "--weights", join(FIXTURES, "Mlp.safetensors"), ...CPU];
    const adapted = await invoke("run", MODEL, ...options, "--adapter", join(FIXTURES, "mlp-true"));
    assert.equal(adapted.code, 0, adapted.error);
    assert.match(adapted.out, /^sample: random numbers of seed 0/m);
    assert.match(adapted.out, /^ +index +base +adapted +difference\n +0 +-?[\d.]+ +-?[\d.]+ +-?[\d.]+/m);
    assert.match(adapted.out, /^largest difference [\d.]+ at \[\d+, \d+\], [\d.]+ of the base's largest value$/m);
    const zero = await json<RunReport>("run", MODEL, ...options, "--adapter", join(FIXTURES, "mlp-zero"));
    assert.equal(zero.outputs[0]!.difference!.largest, 0);
    assert.equal(zero.outputs[0]!.difference!.share, 0);
  });

  it("says what is wrong with a sample", async () => {
    const refuses = async (pattern: RegExp, ...options: string[]) => {
      const { code, error } = await invoke("run", DIGITS, "--weights", DIGITS_WEIGHTS, ...CPU, ...options);
      assert.equal(code, 2, error);
      assert.match(error, pattern);
    };
    await refuses(/has the rows 1 to 1797, and no row 1798/, "--inputs", DIGITS_DATA, "--row", "1798");
    await refuses(/no column "nothing"/, "--inputs", DIGITS_DATA, "--label", "nothing");
    await refuses(/ends in \.npz, \.npy, \.csv/, "--inputs", MODEL);
    await writeFile(at("plain.csv"), "a,b\n1,2\n");
    await refuses(/which of its columns is the label.*\(a, b\); name it/, "--inputs", at("plain.csv"));
    await writeNpz(at("other.npz"), new Map([["z", float32([1, 64], new Float32Array(64))]]));
    await refuses(/z/, "--inputs", at("other.npz"));
  });
});
