import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { strToU8, unzipSync, zipSync } from "fflate";
import { convert } from "../../../../src/worker/formats/convert";
import { decodeNpy, encodeNpy } from "../../../../src/worker/formats/numpy/npy";
import { readNpz, writeNpz } from "../../../../src/worker/formats/numpy/npz";
import { allocate, bytesOf, float32, int64, type Tensor } from "../../../../src/worker/formats/tensor";
import { temporaryFolder } from "../temporaryFolder";

const FIXTURES = path.join(__dirname, "../../../fixtures/formats");
const COUNT = Array.from({ length: 24 }, (_, i) => i);

function npy(header: string, content: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = strToU8(header);
  return Uint8Array.of(0x93, ...strToU8("NUMPY"), 1, 0, text.length & 0xff, text.length >>> 8, ...text, ...content);
}

describe("npz and npy", () => {
  const at = temporaryFolder();

  for (const name of ["arrays.npz", "compressed.npz"]) {
    it(`reads numpy's ${name}`, async () => {
      const arrays = await readNpz(path.join(FIXTURES, name));
      const get = (key: string) => arrays.get(key)!;
      const shape = [2, 3, 4];
      assert.deepEqual(
        get("float32"),
        float32(
          shape,
          COUNT.map((i) => i / 8),
        ),
      );
      assert.deepEqual(
        get("float64").data,
        Float64Array.from(COUNT, (i) => i / 3),
      );
      assert.deepEqual(convert(get("float16"), "float32"), get("float32"));
      assert.deepEqual(
        get("int64"),
        int64(
          shape,
          COUNT.map((i) => i - 2 ** 40),
        ),
      );
      assert.deepEqual(
        get("int32").data,
        Int32Array.from(COUNT, (i) => i - 5),
      );
      assert.deepEqual(
        get("int16").data,
        Int16Array.from(COUNT, (i) => i - 5),
      );
      assert.deepEqual(
        get("int8").data,
        Int8Array.from(COUNT, (i) => i - 5),
      );
      assert.deepEqual(get("uint8").data, Uint8Array.from(COUNT));
      assert.deepEqual(get("bool"), { dtype: "bool", shape, data: Uint8Array.from(COUNT, (i) => Number(i % 3 === 0)) });
      assert.deepEqual(get("fortran"), float32(shape, COUNT));
      assert.deepEqual(get("big_endian"), float32(shape, COUNT));
      assert.deepEqual(get("scalar"), float32([], [2.5]));
      assert.deepEqual(get("empty"), allocate("float32", [0, 4]));
      assert.deepEqual(get("vector"), float32([5], [0, 1, 2, 3, 4]));
    });
  }

  it("reads a .npy file in Fortran order", async () => {
    assert.deepEqual(
      decodeNpy(await readFile(path.join(FIXTURES, "fortran.npy")), "fortran.npy"),
      float32([2, 3, 4], COUNT),
    );
  });

  it("writes exactly the bytes that numpy.save writes", async () => {
    const entries = unzipSync(await readFile(path.join(FIXTURES, "arrays.npz")));
    for (const [name, tensor] of await readNpz(path.join(FIXTURES, "arrays.npz"))) {
      if (name === "fortran" || name === "big_endian") continue;
      assert.deepEqual(encodeNpy(tensor), entries[`${name}.npy`], name);
    }
  });

  it("reads the arrays that it wrote, bfloat16 as float32", async () => {
    const arrays = await readNpz(path.join(FIXTURES, "arrays.npz"));
    const file = at("out.npz");
    const brain = convert(float32([2], [1.5, -3]), "bfloat16");
    await writeNpz(file, new Map<string, Tensor>([...arrays, ["brain", brain]]));
    const again = await readNpz(file);
    assert.deepEqual([...again.keys()], [...arrays.keys(), "brain"]);
    for (const [name, tensor] of arrays) assert.deepEqual(again.get(name), tensor);
    assert.deepEqual(again.get("brain"), float32([2], [1.5, -3]));
    const first = await readFile(file);
    await writeNpz(file, again);
    assert.deepEqual(await readFile(file), first);
  });

  it("refuses Python objects, names the entry and what to do", async () => {
    await assert.rejects(
      readNpz(path.join(FIXTURES, "objects.npz")),
      /objects\.npz: x\.npy has dtype \|O \(Python objects\).*astype/,
    );
  });

  const damaged: readonly [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["text", strToU8("hello there, not numpy"), /does not begin with \\x93NUMPY/],
    ["a short file", npy("").subarray(0, 7), /does not begin with/],
    ["a header cut short", npy("{'descr': '<f4'}").subarray(0, 14), /is truncated/],
    ["an unknown version", Uint8Array.of(0x93, ...strToU8("NUMPY"), 9, 0, 0, 0), /version 9 is unknown/],
    [
      "missing content",
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", new Uint8Array(8)),
      /shape \[3\] takes 12 bytes, but 8 follow/,
    ],
    [
      "a huge shape",
      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999), }"),
      /lacks shape/,
    ],
    ["no shape", npy("{'descr': '<f4', 'fortran_order': False}"), /lacks shape or fortran_order/],
    [
      "an unsupported dtype",
      npy("{'descr': '<u4', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(4)),
      /has dtype <u4; supported are float64/,
    ],
    [
      "a structured dtype",
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      /structured dtype/,
    ],
  ];
  for (const [what, bytes, message] of damaged) {
    it(`says what is wrong with ${what}`, () => {
      assert.throws(() => decodeNpy(bytes, "x.npy"), { name: "UserError", message });
    });
  }

  it("refuses a zip bomb, also when its declared size is false", async () => {
    const file = at("bomb.npz");
    const declaring = (entries: Record<string, Uint8Array>, size: number) => {
      const bytes = zipSync(entries);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      for (let i = 0; i < bytes.length - 4; i++) {
        // The unpacked size stands at byte 24 of a central directory entry.
        if (view.getUint32(i, true) === 0x02014b50) view.setUint32(i + 24, size, true);
      }
      return bytes;
    };
    await writeFile(file, declaring({ "x.npy": new Uint8Array(8), "y.npy": new Uint8Array(8) }, 2 ** 32 - 2));
    await assert.rejects(readNpz(file), /unpacks to 8589934588 bytes, more than the 4294967296 allowed/);
    await writeFile(file, declaring({ "x.npy": encodeNpy(allocate("float32", [250_000])) }, 200));
    await assert.rejects(readNpz(file), { name: "UserError", message: /damaged|not a readable|takes 1000000 bytes/ });
  });

  it("refuses what is not a zip, and what holds other files", async () => {
    const file = at("x.npz");
    await writeFile(file, "not a zip");
    await assert.rejects(readNpz(file), /not a readable \.npz file/);
    await writeFile(file, zipSync({ "run.sh": strToU8("x") }));
    await assert.rejects(readNpz(file), /holds "run\.sh", which is not a NumPy array/);
    const good = zipSync({ "a.npy": encodeNpy(float32([1], [1])) });
    await writeFile(file, good.subarray(0, good.length - 30));
    await assert.rejects(readNpz(file), { name: "UserError" });
  });

  it("reads aligned and unaligned content alike", () => {
    const bytes = encodeNpy(float32([3], [1, 2, 3]));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    assert.deepEqual(bytesOf(decodeNpy(shifted.subarray(1), "x")), bytesOf(float32([3], [1, 2, 3])));
  });
});
