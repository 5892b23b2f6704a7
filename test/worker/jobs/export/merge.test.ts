import { strict as assert } from "node:assert";
import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { merge } from "../../../../src/worker/jobs/export/merge";
import { FIXTURES } from "../train/parity";

describe("merge", () => {
  it("refuses to replace the base weights, also through a link, and leaves them as they are", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-"));
    try {
      const [weights, link] = [join(folder, "base.safetensors"), join(folder, "link.safetensors")];
      await copyFile(join(FIXTURES, "mlp-adam/base.safetensors"), weights);
      await symlink(weights, link);
      const before = await readFile(weights);
      const context = {
        onProgress: () => {},
        signal: new AbortController().signal,
        stop: new AbortController().signal,
      };
      for (const output of [weights, link]) {
        const job = merge(
          {
            kind: "merge",
            model: { file: join(FIXTURES, "mlp/model.py"), weights },
            adapterFolder: join(FIXTURES, "mlp-adam/final"),
            output,
          },
          context,
        );
        await assert.rejects(job, /is the base weights file/);
      }
      assert.deepEqual(await readFile(weights), before);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
