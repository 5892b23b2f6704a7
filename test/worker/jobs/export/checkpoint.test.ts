import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { MergeReport } from "../../../../src/protocol/reports";
import { readHeader, readTensors, writeSafetensors } from "../../../../src/worker/formats/safetensors";
import { bytesOf, type TensorRef } from "../../../../src/worker/formats/tensor";
import { outputForm } from "../../../../src/worker/jobs/export/checkpoint";
import { invoke, json } from "../../cli/invoke";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { FIXTURES } from "../train/parity";

const MODEL = join(FIXTURES, "mlp/model.py");
const BASE = join(FIXTURES, "mlp-adam/base.safetensors");
const ADAPTER = join(FIXTURES, "mlp-adam/final");
const INDEX = "model.safetensors.index.json";
const shardOf = (n: number, count: number) =>
  `model-${String(n).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;

describe("a merge into a folder", () => {
  const at = temporaryFolder();

  /** A base in as many shards as asked for, every tensor in the next one; with one, in one file. */
  async function base(folder: string, shards: number): Promise<Map<string, string>> {
    await mkdir(at(folder), { recursive: true });
    const assigned = new Map<string, string>();
    if (shards === 1) {
      await copyFile(BASE, join(at(folder), "model.safetensors"));
    } else {
      const { tensors } = await readHeader(BASE);
      const held = Array.from({ length: shards }, () => new Map<string, TensorRef>());
      [...tensors].forEach(([name, ref], i) => {
        held[i % shards]!.set(name, ref);
        assigned.set(name, shardOf((i % shards) + 1, shards));
      });
      for (const [i, part] of held.entries())
        await writeSafetensors(join(at(folder), shardOf(i + 1, shards)), part, { format: "pt" });
      const total = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
      const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(assigned) };
      await writeFile(join(at(folder), INDEX), JSON.stringify(index));
    }
    for (const name of ["config.json", "generation_config.json", "tokenizer.json", "merges.txt", "spiece.model"])
      await writeFile(join(at(folder), name), `{"name": "${name}"}`);
    return assigned;
  }

  const args = (weights: string, out: string) =>
    ["merge", MODEL, "--weights", weights, "--adapter", ADAPTER, "--out", out] as const;

  async function sameAsOneFile(weights: string): Promise<void> {
    if (!existsSync(at("one.safetensors"))) await json(...args(BASE, at("one.safetensors")));
    const [expected, found] = [await readHeader(at("one.safetensors")), await readHeader(weights)];
    assert.deepEqual([...found.tensors.keys()].sort(), [...expected.tensors.keys()].sort());
    const [a, b] = [await readTensors(expected.tensors), await readTensors(found.tensors)];
    for (const [name, tensor] of a) assert.deepEqual(bytesOf(b.get(name)!), bytesOf(tensor), name);
  }

  it("treats a path as a folder if it ends in a slash, exists as one, or has no extension", async () => {
    await mkdir(at("there.d"));
    await mkdir(at("odd.safetensors"));
    for (const path of [`${at("new.bin")}/`, at("there.d"), at("odd.safetensors"), at("plain"), at("Llama-3.1-8B")])
      assert.equal(await outputForm(path), "folder", path);
    for (const path of [at("a.safetensors"), at("a.b.SAFETENSORS")]) assert.equal(await outputForm(path), "file", path);
    assert.equal(await outputForm(at("model.json")), "tfjs");
    for (const name of ["a.bin", "a.pt", "a.gguf", "a.safetensor"])
      await assert.rejects(outputForm(at(name)), { name: "UserError", message: /are not written as \.\w+; name a/ });
  });

  it("keeps the base's shards, writes their index, and copies configuration and tokenizer", async () => {
    const assigned = await base("base", 3);
    const report = await json<MergeReport>(...args(at("base"), `${at("out")}/`));
    assert.equal(report.output, at("out"));
    const index = JSON.parse(await readFile(at(`out/${INDEX}`), "utf8"));
    assert.deepEqual(new Map(Object.entries(index.weight_map)), assigned);
    const { tensors } = await readHeader(at(`out/${INDEX}`));
    assert.equal(
      index.metadata.total_size,
      [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
    assert.deepEqual((await readdir(at("out"))).sort(), (await readdir(at("base"))).sort());
    assert.deepEqual(await readFile(at("out/config.json")), await readFile(at("base/config.json")));
    assert.deepEqual(report.checkpoint?.files.map((file) => basename(file)).sort(), [
      ...new Set(assigned.values()),
      INDEX,
    ]);
    await sameAsOneFile(at(`out/${INDEX}`));
  });

  it("writes model.safetensors where the base is one file, named or by its folder", async () => {
    await base("base", 1);
    for (const [weights, out] of [
      [at("base"), at("a")],
      [at("base/model.safetensors"), at("b")],
    ] as const) {
      await mkdir(out);
      const { checkpoint } = await json<MergeReport>(...args(weights, out));
      assert.deepEqual(checkpoint!.copied, [
        "config.json",
        "generation_config.json",
        "merges.txt",
        "spiece.model",
        "tokenizer.json",
      ]);
      assert.deepEqual((await readdir(out)).sort(), (await readdir(at("base"))).sort());
      await sameAsOneFile(join(out, "model.safetensors"));
    }
  });

  it("copies nothing from a folder that just happens to contain a weights file", async () => {
    await writeFile(at("notes.txt"), "private");
    await writeFile(at("config.json"), "{}");
    await copyFile(BASE, at("net.safetensors"));
    const { checkpoint } = await json<MergeReport>(...args(at("net.safetensors"), at("out/")));
    assert.deepEqual(checkpoint!.copied, []);
    assert.deepEqual(await readdir(at("out")), ["model.safetensors"]);
  });

  it("copies no code, links to other folders or shards, and names what it leaves out", async () => {
    await base("base", 1);
    await writeFile(at("secret.json"), "secret");
    await symlink(at("secret.json"), at("base/vocab.json"));
    await symlink(at("nothing"), at("base/added_tokens.json"));
    await symlink("tokenizer.json", at("base/special_tokens_map.json"));
    await mkdir(at("base/folder.json"));
    for (const name of ["modeling_own.py", ".hidden.json", "trainer_state.json", "old.safetensors.index.json"])
      await writeFile(at(`base/${name}`), "{}");
    const { checkpoint } = await json<MergeReport>(...args(at("base"), at("out")));
    const copied = await readdir(at("out"));
    assert.ok(copied.includes("special_tokens_map.json"), "a link within the folder");
    for (const name of [
      "vocab.json",
      "added_tokens.json",
      "folder.json",
      "modeling_own.py",
      ".hidden.json",
      "trainer_state.json",
      "old.safetensors.index.json",
    ])
      assert.ok(!copied.includes(name), name);
    assert.deepEqual(
      checkpoint!.leftOut.map(({ name, reason }) => `${name}: ${reason}`),
      [
        "added_tokens.json: it is a broken link",
        "folder.json: it is not a file",
        "vocab.json: it is a link to a file outside the folder",
        "modeling_own.py: it is code",
      ],
    );
  });

  it("copies from Hugging Face's cache, whose files are links to blobs", async () => {
    const snapshot = "models--a--b/snapshots/0123";
    await mkdir(at("models--a--b/blobs"), { recursive: true });
    await base("plain", 1);
    await mkdir(at(snapshot), { recursive: true });
    for (const name of await readdir(at("plain"))) {
      await copyFile(at(`plain/${name}`), at(`models--a--b/blobs/${name}-hash`));
      await symlink(`../../blobs/${name}-hash`, at(`${snapshot}/${name}`));
    }
    const { checkpoint } = await json<MergeReport>(...args(at(snapshot), at("out")));
    assert.deepEqual(checkpoint!.leftOut, []);
    assert.deepEqual((await readdir(at("out"))).sort(), (await readdir(at("plain"))).sort());
    await sameAsOneFile(at("out/model.safetensors"));
  });

  it("refuses the base's folder, also by a link, and folders that hold other weights or an adapter", async () => {
    await base("base", 2);
    await symlink(at("base"), at("link"));
    const before = await readFile(at(`base/${shardOf(1, 2)}`));
    for (const out of [at("base"), at("link"), `${at("base")}/`]) {
      const { code, error } = await invoke(...args(at("base"), out));
      assert.equal(code, 2);
      assert.match(error, /holds the base weights, which a merge must not replace/);
    }
    assert.deepEqual(await readFile(at(`base/${shardOf(1, 2)}`)), before);
    for (const name of ["model.safetensors", "pytorch_model.bin", shardOf(1, 3), "adapter_config.json"]) {
      await mkdir(at(`with-${name}`));
      await writeFile(at(`with-${name}/${name}`), "{}");
      const { code, error } = await invoke(...args(at("base"), at(`with-${name}`)));
      assert.equal(code, 2, name);
      assert.match(error, /which would be loaded with the merged weights or instead of them/);
    }
  });

  it("replaces the files of an earlier merge, and detects an adapter that is already merged", async () => {
    await base("base", 2);
    await json(...args(at("base"), at("out")));
    await json(...args(at("base"), at("out")));
    await sameAsOneFile(at(`out/${INDEX}`));
    for (const weights of [at("out"), at(`out/${INDEX}`)]) {
      const { code, error } = await invoke(...args(weights, at("twice")));
      assert.equal(code, 2);
      assert.match(error, /has this adapter merged into it already/);
    }
  });
});
