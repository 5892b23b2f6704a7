import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { COMMANDS } from "../../../src/worker/cli/commands/registry";
import type { CommandName } from "../../../src/worker/cli/outputs";
import { writeNpz } from "../../../src/worker/formats/numpy/npz";
import { float32 } from "../../../src/worker/formats/tensor";
import { planAdapter } from "../../../src/worker/jobs/adapter";
import { openModel } from "../../../src/worker/jobs/opened";
import { saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { initializeAdapter } from "../../../src/worker/lora/init/initialize";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke, json, ROOT } from "./invoke";
import { mistakes } from "./schema";

const CPU = ["--engine", "onnxruntime-cpu"];
const KERAS = join(ROOT, "examples/keras/model.json");

/** Fields of the examples' outputs that other outputs lack. */
const OPTIONAL: { readonly [N in CommandName]?: readonly string[] } = {
  analyze: ["leftOut", "focus"],
  summarize: ["leftOut"],
  verify: ["leftOut", "detail"],
  train: ["leftOut", "labels"],
  merge: ["checkpoint"],
  export: ["loadedBy"],
  run: ["output", "leftOut", "adaptedFirst", "adaptedHighest", "difference"],
  engines: ["device", "software", "reason"],
};

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** An output as it may not be, and what was done to it. */
interface Spoiled {
  readonly what: string;
  readonly output: Json;
}

/** Every way to take away a field that must be there, to add one, or to give one a value that no field has. */
function spoil(output: Json, optional: readonly string[], place = ""): Spoiled[] {
  if (typeof output !== "object" || output === null) return [];
  if (Array.isArray(output)) {
    // The elements are alike.
    const [first, ...others] = output;
    if (first === undefined) return [];
    return [
      { what: `${place}/0 is an empty list in a list`, output: [[[]], ...others] },
      ...spoil(first, optional, `${place}/0`).map(({ what, output: part }) => ({ what, output: [part, ...others] })),
    ];
  }
  const fields = Object.entries(output).flatMap(([field, value]): Spoiled[] => {
    const { [field]: _, ...others } = output;
    const at = `${place}/${field}`;
    return [
      ...(optional.includes(field) ? [] : [{ what: `${at} is gone`, output: others }]),
      { what: `${at} is an empty list in a list`, output: { ...others, [field]: [[]] } },
      ...spoil(value, optional, at).map(({ what, output: part }) => ({ what, output: { ...others, [field]: part } })),
    ];
  });
  return [...fields, { what: `${place}/more is new`, output: { ...output, more: 1 } }];
}

describe("what commands print with --json", () => {
  const at = temporaryFolder();

  async function adapterOf(file: string, weights?: string): Promise<string> {
    const { model } = await openModel({ file, ...(weights !== undefined && { weights }) });
    const { config, layers } = planAdapter(model, { r: 2 });
    await saveAdapter(at("adapter"), config, await initializeAdapter(layers, false, 3));
    return at("adapter");
  }

  /** Arguments with which each command does something on an example. */
  const EXAMPLES: { readonly [N in CommandName]: () => readonly string[] | Promise<readonly string[]> } = {
    layers: () => [DIGITS],
    graph: () => [DIGITS],
    analyze: () => [DIGITS, "--layer", "fc2"],
    summarize: () => [DIGITS],
    verify: () => [DIGITS, ...CPU],
    train: () => [
      ...[DIGITS, "--weights", DIGITS_WEIGHTS, "--data", DIGITS_DATA, "--label", "label", "--out", at("trained")],
      ...["--epochs", "1", "--batch-size", "512", ...CPU],
    ],
    sweep: () => [
      ...[DIGITS, "--weights", DIGITS_WEIGHTS, "--data", DIGITS_DATA, "--label", "label", "--out", at("swept")],
      ...["--epochs", "1", "--batch-size", "512", "--ranks", "2,4", ...CPU],
    ],
    merge: async () => [
      ...[DIGITS, "--weights", DIGITS_WEIGHTS, "--adapter", await adapterOf(DIGITS, DIGITS_WEIGHTS)],
      ...["--out", at("merged/")],
    ],
    export: async () => [KERAS, "--to", "tfjs", "--adapter", await adapterOf(KERAS), "--out", at("exported")],
    run: async () => {
      await writeNpz(at("x.npz"), new Map([["x", float32([1, 64], new Float32Array(64))]]));
      return [DIGITS, "--adapter", await adapterOf(DIGITS), "--inputs", at("x.npz"), "--out", at("y.npz"), ...CPU];
    },
    delta: async () => [
      await adapterOf(DIGITS, DIGITS_WEIGHTS),
      "--base",
      DIGITS_WEIGHTS,
      "--out",
      at("delta.safetensors"),
    ],
    sizes: () => ["--size", "16x8", "--ranks", "2,4"],
    engines: () => [],
  };

  for (const name of Object.keys(COMMANDS) as CommandName[]) {
    it(`${name}: fits the schema, which refuses it with any field missing, added or of another type`, async () => {
      const args = await EXAMPLES[name]();
      const output = await json<Json>(name, ...args);
      assert.deepEqual(mistakes(name, output), []);
      const spoiled = spoil(output, OPTIONAL[name] ?? []);
      // Graph's two fields each gone and wrong, and a new one.
      assert.ok(spoiled.length >= 5);
      for (const { what, output: wrong } of spoiled) assert.notDeepEqual(mistakes(name, wrong), [], what);
    }).timeout(60_000);

    it(`${name}: prints nothing on standard output when it fails, and one line on standard error`, async () => {
      const args = await EXAMPLES[name]();
      const failing = [["--no-such-option"], ...(args.length > 0 ? [[at("missing.py"), ...args.slice(1)]] : [])];
      for (const wrong of failing) {
        const { code, out, error } = await invoke(name, ...wrong, "--json");
        assert.deepEqual([code, out], [2, ""]);
        assert.match(error, /^lora-lens: [^\n]+\n$/);
      }
    });
  }

  it("is null where a number is infinite", async () => {
    await writeFile(
      at("model.py"),
      `from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.fc(x)) * 1e38 * 1e38
`,
    );
    const { out, code } = await invoke("verify", at("model.py"), "--input-shape", "x=2,4", ...CPU, "--json");
    assert.equal(code, 1);
    const { checks } = JSON.parse(out) as { checks: { measured: number | null }[] };
    assert.ok(checks.some(({ measured }) => measured === null));
  });

  it("is described where the command line is, with a link to each schema", async () => {
    const text = await readFile(join(ROOT, "docs/command-line.md"), "utf8");
    for (const name of Object.keys(COMMANDS)) assert.ok(text.includes(`[\`${name}\`](../schemas/${name}.json)`), name);
  });
});
