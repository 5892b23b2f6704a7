import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { convert } from "../../../src/worker/formats/convert";
import { UserError } from "../../../src/worker/formats/errors";
import { readHeader, readTensor, readTensors, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { allocate, float32, int64, type Tensor, type TensorRef } from "../../../src/worker/formats/tensor";
import { temporaryFolder } from "./temporaryFolder";

const REFERENCE = path.join(__dirname, "../../fixtures/formats/tensors.safetensors");

function withHeader(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const F32 = (shape: string, begin: number, end: number) =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe("safetensors", () => {
  const at = temporaryFolder();

  it("reads what the reference implementation wrote", async () => {
    const { tensors, metadata } = await readHeader(REFERENCE);
    assert.deepEqual(metadata, { format: "pt", note: "ü" });
    const values = await readTensors(tensors);
    const get = (name: string) => values.get(name)!;
    assert.deepEqual(get("b.weight"), float32([2, 3], [0, 0.25, 0.5, 0.75, 1, 1.25]));
    assert.deepEqual(convert(get("a.half"), "float32").data, Float32Array.of(0.0999755859375, -2.5, 65504));
    assert.equal(convert(get("a.brain"), "float32").data[0], 0.10009765625);
    assert.deepEqual(get("count"), { dtype: "int64", shape: [], data: BigInt64Array.of(2n ** 53n - 1n) });
    assert.deepEqual(get("mask"), { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) });
    assert.deepEqual(get("none"), allocate("float32", [0, 3]));
  });

  it("writes exactly the reference's bytes for the same tensors", async () => {
    const { tensors, metadata } = await readHeader(REFERENCE);
    const copy = at("copy.safetensors");
    await writeSafetensors(copy, tensors, metadata);
    assert.deepEqual(await readFile(copy), await readFile(REFERENCE));
  });

  it("keeps the order given, aligns each tensor, and takes tensors from memory and from files", async () => {
    const { tensors } = await readHeader(REFERENCE);
    const given = new Map<string, Tensor | TensorRef>([
      ["z10", { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ["z2", int64([1], [7])],
      ["half", tensors.get("a.half")!],
      ["weight", float32([1], [0.5])],
    ]);
    const file = at("mixed.safetensors");
    await writeSafetensors(file, given);
    const written = await readHeader(file);
    assert.deepEqual([...written.tensors.keys()], ["z10", "z2", "half", "weight"]);
    assert.equal(written.tensors.get("z2")!.offset % 8, 0);
    assert.equal(written.tensors.get("weight")!.offset % 4, 0);
    assert.deepEqual(await readTensor(written.tensors.get("weight")!), given.get("weight"));
    assert.deepEqual(await readTensor(written.tensors.get("half")!), await readTensor(tensors.get("a.half")!));
  });

  it("replaces the file that its own tensors come from", async () => {
    const file = at("model.safetensors");
    await writeSafetensors(file, new Map([["w", float32([2], [1, 2])]]));
    const { tensors } = await readHeader(file);
    await writeSafetensors(file, new Map<string, Tensor | TensorRef>([["first", float32([3], [7, 8, 9])], ...tensors]));
    const values = await readTensors((await readHeader(file)).tensors);
    assert.deepEqual(values.get("w")!.data, Float32Array.of(1, 2));
    assert.deepEqual(await readdir(at(".")), ["model.safetensors"]);
  });

  it("leaves only the old file when writing fails", async () => {
    const file = at("model.safetensors");
    await writeSafetensors(file, new Map([["w", float32([2], [1, 2])]]));
    const before = await readFile(file);
    const gone: TensorRef = { file: at("gone.safetensors"), offset: 8, byteLength: 4, dtype: "float32", shape: [1] };
    await assert.rejects(writeSafetensors(file, new Map([["w", gone]])), /gone\.safetensors does not exist/);
    assert.deepEqual(await readFile(file), before);
    assert.deepEqual(await readdir(at(".")), ["model.safetensors"]);
  });

  const damaged: readonly [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["an empty file", new Uint8Array(0), /is empty/],
    ["a few bytes", Uint8Array.of(1, 2, 3), /not a safetensors file: it has only 3 bytes/],
    ["text", new TextEncoder().encode("this is not a tensor file at all"), /not a safetensors file: its first 8 bytes/],
    [
      "a header cut short",
      withHeader(`{"a":${F32("[1]", 0, 4)}}`).subarray(0, 30),
      /header should end at byte \d+ but the file has 30 bytes: it is truncated/,
    ],
    [
      "data cut short",
      withHeader(`{"a":${F32("[2]", 0, 8)}}`, new Uint8Array(5)),
      /data ends at byte 70 but the file has 67 bytes: it is truncated; download it again/,
    ],
    [
      "data too long",
      withHeader(`{"a":${F32("[1]", 0, 4)}}`, new Uint8Array(5)),
      /data ends at byte \d+ but the file has \d+ bytes/,
    ],
    ["a header that is not JSON", withHeader('{"a":'), /header is not JSON/],
    ["a header that is not UTF-8", Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0x22), /header is not JSON/],
    ["a header that is a list", withHeader("[1]"), /not a JSON object/],
    [
      "an unknown dtype",
      withHeader('{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1)),
      /tensor "a" has dtype F8_E4M3, which is not supported; supported are F64/,
    ],
    [
      "a dtype from Object's prototype",
      withHeader('{"a":{"dtype":"constructor","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1)),
      /dtype constructor, which is not supported/,
    ],
    [
      "a negative dimension",
      withHeader(`{"a":${F32("[-1]", 0, 4)}}`, new Uint8Array(4)),
      /shape that is not a list of whole numbers/,
    ],
    [
      "a fractional dimension",
      withHeader(`{"a":${F32("[0.5]", 0, 4)}}`, new Uint8Array(4)),
      /shape that is not a list of whole numbers/,
    ],
    [
      "offsets in reverse",
      withHeader(`{"a":${F32("[1]", 4, 0)}}`, new Uint8Array(4)),
      /data_offsets that are not \[begin, end\]/,
    ],
    [
      "a shape that needs more bytes",
      withHeader(`{"a":${F32("[2]", 0, 4)}}`, new Uint8Array(4)),
      /shape \[2\] takes 8 bytes, but its data_offsets span 4/,
    ],
    [
      "a shape whose product overflows",
      withHeader(`{"a":${F32("[4294967296,4294967296]", 0, 4)}}`, new Uint8Array(4)),
      /but its data_offsets span 4/,
    ],
    [
      "overlapping tensors",
      withHeader(`{"a":${F32("[2]", 0, 8)},"b":${F32("[1]", 4, 8)}}`, new Uint8Array(8)),
      /"a" and "b" overlap/,
    ],
    [
      "a gap",
      withHeader(`{"a":${F32("[1]", 4, 8)}}`, new Uint8Array(8)),
      /4 bytes before tensor "a" belong to no tensor/,
    ],
    [
      "a key twice",
      withHeader(`{"a":${F32("[1]", 0, 4)},"\\u0061":${F32("[1]", 4, 8)}}`, new Uint8Array(8)),
      /lists "a" twice/,
    ],
    ["metadata that is not text", withHeader('{"__metadata__":{"a":1}}'), /metadata "a" is not a string/],
  ];
  for (const [what, bytes, message] of damaged) {
    it(`says what is wrong with ${what}`, async () => {
      const file = at("damaged.safetensors");
      await writeFile(file, bytes);
      await assert.rejects(readHeader(file), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        assert.ok(error.message.includes(file));
        return true;
      });
    });
  }

  it("reads nested keys and quotes in names correctly", async () => {
    const file = at("names.safetensors");
    const names = ['say "dtype":', "shape", "a{b", "__proto__"];
    await writeSafetensors(file, new Map(names.map((name, i) => [name, float32([1], [i])])), { shape: "x" });
    const { tensors, metadata } = await readHeader(file);
    assert.deepEqual([...tensors.keys()], names);
    assert.deepEqual(metadata, { shape: "x" });
  });

  it("reads a header that is one very long name", async () => {
    const file = at("long.safetensors");
    const name = "x".repeat(20_000_000);
    await writeFile(file, withHeader(`{"${name}":${F32("[1]", 0, 4)}}`, new Uint8Array(4)));
    assert.equal((await readHeader(file)).tensors.size, 1);
  });

  it("reports a missing file, and a folder in place of a file", async () => {
    await assert.rejects(readHeader(at("missing.safetensors")), /missing\.safetensors does not exist/);
    await assert.rejects(readHeader(at(".")), UserError);
  });

  it("joins the shards of an index, and checks them", async () => {
    await writeSafetensors(at("model-1.safetensors"), new Map([["a", float32([1], [1])]]));
    await writeSafetensors(at("model-2.safetensors"), new Map([["b", float32([1], [2])]]));
    const index = at("model.safetensors.index.json");
    const write = (map: Record<string, string>) =>
      writeFile(index, JSON.stringify({ metadata: { total_size: 8 }, weight_map: map }));
    await write({ b: "model-2.safetensors", a: "model-1.safetensors" });
    const { tensors, metadata } = await readHeader(index);
    assert.deepEqual([...tensors.keys()], ["b", "a"]);
    assert.deepEqual(metadata, { total_size: "8" });
    assert.deepEqual((await readTensor(tensors.get("b")!)).data, Float32Array.of(2));

    await write({ c: "model-1.safetensors" });
    await assert.rejects(readHeader(index), /says that "c" is in model-1\.safetensors, but it is not/);
    await write({ a: "../model-1.safetensors" });
    await assert.rejects(readHeader(index), /lies outside the folder/);
  });
});
