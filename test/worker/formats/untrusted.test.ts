import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { zipSync } from "fflate";
import { insideFolder, readJsonObject, readText } from "../../../src/worker/formats/files";
import { encodeNpy } from "../../../src/worker/formats/numpy/npy";
import { readNpz } from "../../../src/worker/formats/numpy/npz";
import { readHeader, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { float32 } from "../../../src/worker/formats/tensor";
import { unpackMember } from "../../../src/worker/formats/unzip";
import { readAdapterConfig, writeAdapterConfig } from "../../../src/worker/lora/config/adapterConfig";
import { openModelFile } from "../../../src/worker/readers/open";
import { temporaryFolder } from "./temporaryFolder";

/** Files that are made to hurt whoever reads them. */

const KERAS = path.join(__dirname, "../../fixtures/keras");

/** An archive whose 64-bit directory states as many entries as it can. */
function endless(archive: Uint8Array): Uint8Array {
  const end = archive.length - 22;
  const result = Buffer.alloc(archive.length + 76);
  result.set(archive.subarray(0, end), 0);
  const view = new DataView(result.buffer, result.byteOffset);
  const offset = new DataView(archive.buffer, archive.byteOffset).getUint32(end + 16, true);
  view.setUint32(end, 0x06064b50, true);
  view.setUint32(end + 32, 0xffffffff, true);
  view.setUint32(end + 48, offset, true);
  view.setUint32(end + 56, 0x07064b50, true);
  view.setUint32(end + 64, end, true);
  result.set(archive.subarray(end), end + 76);
  return result;
}

/** An archive that lists its first member many times more. */
function repeated(archive: Uint8Array, times: number): Uint8Array {
  const end = archive.length - 22;
  const view = new DataView(archive.buffer, archive.byteOffset);
  const offset = view.getUint32(end + 16, true);
  const entry = archive.subarray(offset, offset + 46 + view.getUint16(offset + 28, true));
  const tail = Buffer.from(archive.subarray(end));
  tail.writeUInt16LE(times, 8);
  tail.writeUInt16LE(times, 10);
  return Buffer.concat([archive.subarray(0, offset), ...Array.from({ length: times }, () => entry), tail]);
}

describe("files that are not trusted", () => {
  const at = temporaryFolder();

  it("an archive that declares four billion entries", async () => {
    const bytes = endless(zipSync({ "x.npy": encodeNpy(float32([1], [1])) }));
    await writeFile(at("x.npz"), bytes);
    await assert.rejects(readNpz(at("x.npz")), { name: "UserError", message: /lists more than 1000 entries/ });
    await writeFile(at("x.keras"), bytes);
    await assert.rejects(openModelFile(at("x.keras")), { name: "UserError", message: /lists more than 10000 entries/ });
  });

  it("an archive that lists one member thousands of times: it is unpacked once", () => {
    const bytes = repeated(zipSync({ a: new Uint8Array(2_000_000) }), 9000);
    const archive = { file: "x", bytes, kind: "archive", maxEntries: 10_000 };
    assert.equal(unpackMember(archive, "a", 3_000_000)!.length, 2_000_000);
    assert.throws(() => unpackMember(archive, "a", 1_000_000), /a has 2000000 bytes, more than the 1000000 allowed/);
    assert.equal(unpackMember(archive, "__proto__", 1), undefined);
  });

  it("a damaged HDF5 file: the message says why, and nothing is printed past it", async () => {
    const bytes = readFileSync(path.join(KERAS, "cnn.h5")).map((byte, i) => (i > 90 && i < 130 ? 7 : byte));
    await writeFile(at("x.h5"), bytes);
    const printed: unknown[] = [];
    const { write } = process.stderr;
    process.stderr.write = (text: unknown) => printed.push(text) > 0;
    try {
      await assert.rejects(openModelFile(at("x.h5")), {
        name: "UserError",
        message: /x\.h5 is not a readable HDF5 file: bad object header version number; save or download it/,
      });
    } finally {
      process.stderr.write = write;
    }
    assert.deepEqual(printed, []);
  }).timeout(60_000);

  it("JSON nested as deep as its length allows", async () => {
    const deep = "[".repeat(400_000) + "]".repeat(400_000);
    await writeFile(at("x.json"), `{"peft_type":"LORA","target_modules":${deep}}`);
    await assert.rejects(readJsonObject(at("x.json"), 1_000_000, ""), {
      name: "UserError",
      message: /400 levels deep/,
    });
    await assert.rejects(readAdapterConfig(at("x.json")), { name: "UserError" });
    await writeFile(at("x.ipynb"), `{"nbformat":4,"cells":${deep}}`);
    assert.equal((await openModelFile(at("x.ipynb"))).models.length, 0);
    await writeFile(at("model.json"), deep);
    assert.match((await openModelFile(at("model.json"))).problems[0]!.message, /nested more than 400 deep/);
  });

  it("keys with the names of every object's properties", async () => {
    await writeFile(
      at("adapter_config.json"),
      '{"peft_type":"LORA","r":2,"target_modules":["a"],"__proto__":{"polluted":1},"mine":{"__proto__":{"polluted":2}}}',
    );
    const config = await readAdapterConfig(at("adapter_config.json"));
    await writeAdapterConfig(at("adapter_config.json"), config);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.equal((config as { polluted?: number }).polluted, undefined);
    // Unknown fields are kept as they are, these too.
    const text = await readText(at("adapter_config.json"), 10_000, "");
    assert.match(text, /"mine": \{\s+"__proto__": \{\s+"polluted": 2/);
    assert.match(text, /^ {2}"__proto__": \{\s+"polluted": 1/m);

    await writeSafetensors(
      at("x.safetensors"),
      new Map([["a", float32([1], [1])]]),
      JSON.parse('{"__proto__":"kept"}'),
    );
    const { metadata } = await readHeader(at("x.safetensors"));
    assert.deepEqual(Object.entries(metadata), [["__proto__", "kept"]]);
  });

  it("paths that are too long, and links in a circle", async () => {
    for (const name of ["x".repeat(5000), "a/".repeat(5000)]) {
      await assert.rejects(insideFolder(at("."), name).then(readHeader), {
        name: "UserError",
        message: /longer than the system allows|does not exist/,
      });
    }
    if (process.platform === "win32") return;
    await symlink(at("b"), at("a"));
    await symlink(at("a"), at("b"));
    await assert.rejects(readHeader(at("a")), { name: "UserError", message: /links form a circle/ });
    await mkdir(at("package"));
    await symlink(at("package"), at("package/package"));
    await writeFile(at("package/__init__.py"), "from .package import *\n");
    await writeFile(at("package/loop.py"), "from .loop import *\nfrom package.package.package.loop import x\n");
    await symlink(at("a"), at("circle.py"));
    const source =
      "import circle\nfrom package import *\nfrom package.loop import *\nfrom torch import nn\nclass N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(1, 2)\n";
    await writeFile(at("model.py"), source);
    const { models } = await openModelFile(at("model.py"));
    assert.deepEqual(
      models.map(({ className }) => className),
      ["N"],
    );
  });

  it("a model that names weights outside its folder", async () => {
    await cp(path.join(KERAS, "tfjs"), at("tfjs"), { recursive: true });
    await writeFile(at("secret.bin"), new Uint8Array(4));
    for (const name of ["../secret.bin", at("secret.bin"), "C:\\secret.bin", "a/../../secret.bin"]) {
      const model = JSON.parse(readFileSync(path.join(KERAS, "tfjs/model.json"), "utf8"));
      model.weightsManifest[0].paths = [name];
      await writeFile(at("tfjs/model.json"), JSON.stringify(model));
      const { models } = await openModelFile(at("tfjs/model.json"));
      await assert.rejects(models[0]!.readWeights!(), { name: "UserError", message: /outside the folder/ });
    }
  });
});
