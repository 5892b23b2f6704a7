import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { zipSync } from "fflate";
import { convert } from "../../../src/worker/formats/convert";
import { UserError } from "../../../src/worker/formats/errors";
import { readTensors } from "../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../src/worker/formats/tensor";
import { readTorchCheckpoint } from "../../../src/worker/formats/torchZip/checkpoint";
import { unpickle } from "../../../src/worker/formats/torchZip/unpickle";
import { temporaryFolder } from "./temporaryFolder";

const FIXTURES = path.join(__dirname, "../../fixtures/formats/torch");
const fixture = (name: string) => path.join(FIXTURES, name);

async function valuesOf(file: string): Promise<Map<string, Tensor>> {
  const { tensors } = await readTorchCheckpoint(file);
  const values = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    values.set(name, "data" in tensor ? tensor : (await readTensors(new Map([[name, tensor]]))).get(name)!);
  }
  return values;
}

const pickled = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function refused(pickle: string, message: RegExp): void {
  assert.throws(
    () => unpickle(pickled(pickle), "x.pt"),
    (error) => error instanceof UserError && message.test(error.message),
  );
}

describe("torch.save's zip format", () => {
  const at = temporaryFolder();

  it("leaves contiguous tensors where they are, and gathers strided ones", async () => {
    const { tensors } = await readTorchCheckpoint(fixture("views.pt"));
    const grid = Array.from({ length: 24 }, (_, i) => i);
    assert.ok("file" in tensors.get("whole")!);
    assert.ok("file" in tensors.get("rows")!);
    assert.ok("data" in tensors.get("transposed")!);
    const values = await valuesOf(fixture("views.pt"));
    const get = (name: string) => values.get(name)!;
    assert.deepEqual(get("whole"), float32([4, 6], grid));
    assert.deepEqual(get("rows"), float32([2, 6], grid.slice(6, 18)));
    const transposed = Array.from({ length: 24 }, (_, i) => (i % 4) * 6 + Math.floor(i / 4));
    assert.deepEqual(get("transposed"), float32([6, 4], transposed));
    assert.deepEqual(
      get("columns"),
      float32(
        [4, 3],
        grid.filter((i) => i % 2 === 0),
      ),
    );
    assert.deepEqual(get("expanded"), float32([3, 2], [7, 7, 7, 7, 7, 7]));
    assert.deepEqual(convert(get("half"), "float32"), get("whole"));
    assert.deepEqual(convert(get("brain"), "float32"), get("whole"));
    assert.deepEqual([...(get("long").data as BigInt64Array)], [-1n, 2n ** 40n]);
    assert.deepEqual([...(get("flags").data as Uint8Array)], [1, 0]);
    assert.deepEqual(get("scalar"), float32([], [2.5]));
    assert.deepEqual(get("empty").shape, [0, 4]);
    assert.deepEqual(get("parameter"), float32([2, 2], [1, 1, 1, 1]));
  });

  it("finds the state dict in a checkpoint with an optimizer", async () => {
    const plain = await readTorchCheckpoint(fixture("plain.pt"));
    assert.equal(plain.within, undefined);
    const checkpoint = await readTorchCheckpoint(fixture("checkpoint.pt"));
    assert.equal(checkpoint.within, "model");
    assert.deepEqual([...checkpoint.tensors.keys()], [...plain.tensors.keys()]);
  });

  for (const [name, message] of [
    ["system.pt", /at byte 2 .* posix\.system, .*none of it was run/],
    ["stack_global.pt", /builtins\.eval/],
    ["module.pt", /the class torch\.nn\.modules\.container\.Sequential.*state_dict\(\)/],
    ["legacy.pt", /before 1\.6/],
    ["big_endian.pt", /byte order "big"/],
  ] as const) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(
        readTorchCheckpoint(fixture(name)),
        (error) => error instanceof UserError && message.test(error.message),
      );
    });
  }

  it("refuses instructions that make objects, unknown references and calls", () => {
    refused("\x80\x02ccollections\nOrderedDict\n)\x81.", /NEWOBJ/);
    refused("(ios\nsystem\n.", /INST/);
    refused("\x80\x02U\x01aQ.", /other than a tensor.s storage/);
    refused("\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01\x85R.", /_rebuild_tensor_v2 with arguments/);
    refused("\x80\x02ctorch.storage\n_load_from_bytes\nC\x01a\x85R.", /torch\.storage\._load_from_bytes/);
    refused("\x80\x02c__builtin__\ngetattr\n.", /__builtin__\.getattr/);
    // What the call's own table inherits is no name either.
    refused("\x80\x02cconstructor\nconstructor\n.", /constructor\.constructor/);
  });

  it("says where a damaged pickle is damaged", () => {
    refused("\x80\x09.", /protocol 9/);
    refused(".", /a value is missing/);
    refused("\x80\x02}", /ends too early/);
    refused("\x80\x02h\x05.", /value 5/);
    refused("\x80\x02X\xff\xff\xff\xff.", /ends too early/);
    refused("(".repeat(2000), /nested too deeply/);
    refused("\x80\x02}(K\x01u.", /a key has no value/);
  });

  it("refuses a tensor that reaches beyond its storage", async () => {
    const bytes = new Uint8Array(await readFile(fixture("plain.pt")));
    // The first weight's size (4, 3): K\x04 K\x03 \x86.
    const place = Buffer.from(bytes).indexOf(Buffer.from([0x4b, 4, 0x4b, 3, 0x86]));
    assert.ok(place > 0);
    bytes[place + 1] = 200;
    await writeFile(at("large.pt"), bytes);
    await assert.rejects(readTorchCheckpoint(at("large.pt")), /"0\.weight" of shape \[200, 3\] ends after its storage/);
  });

  it("refuses compressed, truncated and empty archives", async () => {
    await writeFile(at("deflated.pt"), zipSync({ "a/data.pkl": new Uint8Array(1000) }, { level: 9 }));
    await assert.rejects(readTorchCheckpoint(at("deflated.pt")), /is compressed/);
    const whole = await readFile(fixture("plain.pt"));
    await writeFile(at("cut.pt"), whole.subarray(0, whole.length - 40));
    await assert.rejects(readTorchCheckpoint(at("cut.pt")), /truncated/);
    await writeFile(at("empty.pt"), "");
    await assert.rejects(readTorchCheckpoint(at("empty.pt")), /is empty/);
  });
});
