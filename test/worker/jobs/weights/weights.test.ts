import assert from "node:assert/strict";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "../../../../src/worker/formats/errors";
import { writeSafetensors } from "../../../../src/worker/formats/safetensors";
import { readTorchCheckpoint } from "../../../../src/worker/formats/torchZip/checkpoint";
import { openModel } from "../../../../src/worker/jobs/opened";
import { openWeights } from "../../../../src/worker/jobs/weights/open";
import { alignNames } from "../../../../src/worker/jobs/weights/weightNames";
import { temporaryFolder } from "../../formats/temporaryFolder";

const FIXTURES = path.join(__dirname, "../../../fixtures/formats/torch");
const fixture = (name: string) => path.join(FIXTURES, name);
const SOURCE = `from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
`;

const fails = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, (error) => error instanceof UserError && message.test(error.message));

describe("weights of a model", () => {
  const at = temporaryFolder();
  const open = async (path: string) => {
    const { values, weights } = await openModel({ file: "net.py", text: SOURCE, weights: path });
    return { values, from: weights.from };
  };

  it("come from a state dict of torch.save, in a checkpoint or wrapped", async () => {
    assert.equal((await open(fixture("plain.pt"))).from, fixture("plain.pt"));
    assert.match((await open(fixture("checkpoint.pt"))).from, /checkpoint\.pt, its "model"$/);
    const { from, values } = await open(fixture("wrapped.pt"));
    assert.match(from, /without torch\.compile's "_orig_mod\." and DataParallel's "module\." in its keys/);
    const { tensors } = await readTorchCheckpoint(fixture("wrapped.pt"));
    assert.deepEqual(values.get("2.weight"), tensors.get("module._orig_mod.2.weight"));
    await fails(open(fixture("system.pt")), /posix\.system/);
    await fails(open(fixture("views.pt")), /lacks "0\.weight".* has "whole"/);
  });

  it("come from shards through their index, and from a folder", async () => {
    const { tensors } = await readTorchCheckpoint(fixture("plain.pt"));
    const [first, second] = [new Map([...tensors].slice(0, 3)), new Map([...tensors].slice(3))];
    await mkdir(at("hf"));
    await writeSafetensors(at("hf/a.safetensors"), first);
    await writeSafetensors(at("hf/b.safetensors"), second);
    const index = (names: readonly [string, readonly string[]][]) =>
      JSON.stringify({
        weight_map: Object.fromEntries(names.flatMap(([file, keys]) => keys.map((key) => [key, file]))),
      });
    const shards = index([
      ["a.safetensors", [...first.keys()]],
      ["b.safetensors", [...second.keys()]],
    ]);
    await fails(openWeights(at("hf")), /2 weights files \(a\.safetensors, b\.safetensors\)/);
    await writeFile(at("hf/model.safetensors.index.json"), shards);
    const { values, from } = await open(at("hf"));
    assert.equal(from, at("hf/model.safetensors.index.json"));
    const files = new Set([...values.values()].map((value) => ("file" in value ? path.basename(value.file) : "")));
    assert.deepEqual(files, new Set(["a.safetensors", "b.safetensors"]));

    await mkdir(at("bin"));
    await copyFile(fixture("plain.pt"), at("bin/one.bin"));
    await writeFile(at("bin/pytorch_model.bin.index.json"), index([["one.bin", [...tensors.keys()]]]));
    assert.equal((await open(at("bin"))).from, at("bin/pytorch_model.bin.index.json"));
    await writeFile(at("bin/pytorch_model.bin.index.json"), index([["../plain.pt", [...tensors.keys()]]]));
    await fails(openWeights(at("bin")), /outside the folder/);
    await mkdir(at("none"));
    await writeFile(at("none/adapter_model.safetensors"), "");
    await fails(openWeights(at("none")), /holds no weights/);
  });

  it("match with the base model's prefix present or absent", () => {
    const head = ["transformer.h.0.weight", "transformer.h.0.bias", "lm_head.weight"];
    const bare = ["h.0.weight", "h.0.bias"];
    const added = alignNames(head, bare, "f");
    assert.equal(added.keys.get("transformer.h.0.bias"), "h.0.bias");
    assert.match(added.note!, /with the prefix "transformer\." put before/);
    const taken = alignNames(bare, head, "f");
    assert.equal(taken.keys.get("h.0.weight"), "transformer.h.0.weight");
    assert.match(taken.note!, /without the prefix "transformer\."/);
    assert.equal(alignNames(bare, bare, "f").note, undefined);
  });

  it("are refused when two parts of the file fit equally well", () => {
    const keys = ["student.w", "student.b", "teacher.w", "teacher.b"];
    assert.throws(() => alignNames(["w", "b"], keys, "f"), /fits the model in two ways.*"student\.".*"teacher\."/);
  });
});
