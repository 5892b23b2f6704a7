import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import * as path from "node:path";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { readTable } from "../../src/worker/formats/csv";
import { UserError } from "../../src/worker/formats/errors";
import { decodeNpy } from "../../src/worker/formats/npy";
import { readNpz } from "../../src/worker/formats/npz";
import { readHeader, readTensors } from "../../src/worker/formats/safetensors";
import { readTorchCheckpoint } from "../../src/worker/formats/torchZip/checkpoint";
import { unpickle } from "../../src/worker/formats/torchZip/unpickle";
import { readAdapterConfig } from "../../src/worker/lora/adapterConfig";
import { temporaryFolder } from "../worker/formats/temporaryFolder";
import { damaged, runs, SEED } from "./mutations";

/** Damaged files of each format: a reader gives a value or a UserError, never another error. */

const FIXTURES = path.join(__dirname, "../fixtures");
const bytesOf = (name: string) => new Uint8Array(readFileSync(path.join(FIXTURES, name)));
const TORCH = ["plain.pt", "checkpoint.pt", "views.pt", "system.pt"].map((name) => bytesOf(`formats/torch/${name}`));
const pickleIn = (archive: Uint8Array) =>
  Object.entries(unzipSync(archive)).find(([name]) => name.endsWith("data.pkl"))![1];
const text = (content: string) => new TextEncoder().encode(content);

function expected(error: unknown, file: Uint8Array): void {
  if (error instanceof UserError) return;
  const shown = Buffer.from(file.subarray(0, 2000)).toString("base64");
  assert.fail(`${error instanceof Error ? error.stack : String(error)}\nfor the file ${shown}`);
}

describe("fuzzing readers of files", function () {
  this.timeout(600_000);
  const at = temporaryFolder();

  const inMemory = (name: string, count: number, samples: Uint8Array[], read: (bytes: Uint8Array) => unknown) =>
    it(`${name}: ${runs(count)} damaged inputs`, () => {
      fc.assert(
        fc.property(damaged(samples), (bytes) => {
          try {
            read(bytes);
          } catch (error) {
            expected(error, bytes);
          }
        }),
        { numRuns: runs(count), seed: SEED },
      );
    });

  const onDisk = (name: string, count: number, samples: Uint8Array[], read: (file: string) => Promise<unknown>) =>
    it(`${name}: ${runs(count)} damaged files`, async () => {
      const file = at(`input.${name}`);
      await fc.assert(
        fc.asyncProperty(damaged(samples), async (bytes) => {
          await writeFile(file, bytes);
          try {
            await read(file);
          } catch (error) {
            expected(error, bytes);
          }
        }),
        { numRuns: runs(count), seed: SEED },
      );
    });

  inMemory("pickle", 8000, TORCH.map(pickleIn), (bytes) => unpickle(bytes, "input.pt"));
  inMemory("npy", 4000, [bytesOf("formats/fortran.npy")], (bytes) => decodeNpy(bytes, "input.npy"));
  onDisk("pt", 2000, TORCH, readTorchCheckpoint);
  onDisk("npz", 1000, [bytesOf("formats/arrays.npz"), bytesOf("formats/compressed.npz")], readNpz);
  onDisk("safetensors", 3000, [bytesOf("formats/tensors.safetensors")], async (file) =>
    readTensors((await readHeader(file)).tensors),
  );
  onDisk("csv", 1000, [text('a,b,label\n1,2,x\n3,4,"y ""z"""\n')], (file) => readTable(file, "label"));
  onDisk("json", 1000, [text('{"peft_type":"LORA","r":8,"lora_alpha":16,"target_modules":["q"]}')], readAdapterConfig);
});
