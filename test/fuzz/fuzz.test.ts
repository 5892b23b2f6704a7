import { mkdirSync } from "node:fs";
import fc from "fast-check";
import { temporaryFolder } from "../worker/formats/temporaryFolder";
import { runs, SEED } from "./mutations";
import { attempt, TARGETS } from "./targets";

/** A part of what `npm run fuzz` does: some 20,000 inputs, the same each time. */

describe("fuzzing", function () {
  this.timeout(600_000);
  const at = temporaryFolder();

  for (const target of TARGETS) {
    it(`${target.name}: ${runs(target.usual)} inputs`, async () => {
      const folder = at(target.name);
      mkdirSync(folder);
      const property = fc.asyncProperty(await target.inputs(), (input) => attempt(target, input, folder));
      await fc.assert(property, { numRuns: runs(target.usual), seed: SEED });
    });
  }
});
