import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { WrittenFile } from "../../../src/extension/inject/writtenFile";

describe("undoing a written file", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "lora-lens-undo-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function written(file: string, text = "new"): Promise<WrittenFile> {
    const before = await WrittenFile.before(file);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    await before.done();
    return before;
  }

  it("removes the file with the folders that were made for it, and no others", async () => {
    const file = await written(join(root, "a", "b", "adapter_config.json"));
    assert.equal(await file.undo(), "removed");
    assert.ok(!existsSync(join(root, "a")) && existsSync(root));
  });

  it("keeps a folder in which something else lies by now", async () => {
    const file = await written(join(root, "a", "adapter_config.json"));
    await writeFile(join(root, "a", "adapter_model.safetensors"), "weights");
    assert.equal(await file.undo(), "removed");
    assert.ok(existsSync(join(root, "a", "adapter_model.safetensors")));
    assert.ok(!existsSync(join(root, "a", "adapter_config.json")));
  });

  it("restores the file that was there before, byte for byte", async () => {
    const path = join(root, "adapter_config.json");
    const bytes = Buffer.from([0x7b, 0x7d, 0x0d, 0x0a]);
    await writeFile(path, bytes);
    const file = await written(path);
    assert.equal(await file.undo(), "restored");
    assert.deepEqual(await readFile(path), bytes);
  });

  it("leaves a file alone that was changed, removed or undone since", async () => {
    const path = join(root, "adapter_config.json");
    const changed = await written(path);
    await writeFile(path, "mine");
    assert.equal(await changed.undo(), "changed");
    assert.equal(await readFile(path, "utf8"), "mine");
    const removed = await written(path);
    await rm(path);
    assert.equal(await removed.undo(), "changed");
    const twice = await written(path);
    await twice.undo();
    assert.equal(await twice.undo(), "changed");
  });
});
