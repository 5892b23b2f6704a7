import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";

/** Gives each test of the enclosing `describe` an empty folder of its own, removed afterwards. */
export function temporaryFolder(): (name: string) => string {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "lora-lens-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return (name) => path.join(folder, name);
}
