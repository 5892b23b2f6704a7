import { strict as assert } from "node:assert";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SweepReport } from "../../../../src/protocol/reports/sweep";
import { newestSweep, readSweep } from "../../../../src/worker/jobs/sweep/saved";
import { sweepReport } from "../../../media/sampleReports";
import { temporaryFolder } from "../../formats/temporaryFolder";

describe("a saved sweep", () => {
  const at = temporaryFolder();
  const write = async (folder: string, value: unknown) => {
    await mkdir(at(folder), { recursive: true });
    await writeFile(join(at(folder), "sweep.json"), typeof value === "string" ? value : JSON.stringify(value));
  };
  const sample = (more: Partial<SweepReport> = {}) => ({ ...sweepReport, ...more });
  const model = () => ({ file: at("model.py"), class: sweepReport.model });

  it("is read as it was written, without fields that are not known", async () => {
    await write("s", { ...sample(), extra: 1, runs: sweepReport.runs.map((run) => ({ ...run, extra: 1 })) });
    assert.deepEqual(await readSweep(at("s/sweep.json")), sweepReport);
  });

  const [first, ...others] = sweepReport.runs;
  const broken: readonly (readonly [what: string, value: unknown, message: RegExp])[] = [
    ["text that is not JSON", "{", /is not valid JSON/],
    ["a list", "[]", /must hold a JSON object/],
    ["another report", sample({ kind: "train" as "sweep" }), /: kind must be "sweep"; run the sweep again/],
    ["no runs", sample({ runs: [] }), /: runs must be a list with one run or more/],
    ["runs that are no list", { ...sample(), runs: {} }, /: runs must be a list;/],
    [
      "a run without a loss",
      sample({ runs: [{ ...first!, after: { accuracy: 1 } as never }] }),
      /runs\[0\]\.after\.loss must be a number/,
    ],
    [
      "an accuracy above 1",
      sample({ runs: [{ ...first!, after: { loss: 1, accuracy: 94 } }] }),
      /runs\[0\]\.after\.accuracy must be a number from 0 to 1/,
    ],
    [
      "a negative size",
      sample({ runs: [{ ...first!, adapterBytes: -1 }] }),
      /adapterBytes must be a whole number of 0 or more/,
    ],
    ["a rank of 0", sample({ runs: [{ ...first!, rank: 0 }] }), /runs\[0\]\.rank must be a whole number of 1 or more/],
    [
      "a folder outside",
      sample({ runs: [{ ...first!, folder: "../.." }, ...others] }),
      /runs\[0\]\.folder must be "r4"/,
    ],
    ["ranks out of order", sample({ runs: [...others, first!] }), /runs must be a list by rising rank/],
    ["a best rank that was not run", sample({ best: 5 }), /best must be the rank of a run, or null/],
    ["a time in words", sample({ finishedAt: "yesterday" }), /finishedAt must be a time such as/],
    [
      "weights without notes",
      sample({ weights: { ...sweepReport.weights, notes: "x" as never } }),
      /weights\.notes must be a list/,
    ],
  ];
  for (const [what, value, message] of broken) {
    it(`is refused with ${what}, and the message names the field`, async () => {
      await write("s", value);
      await assert.rejects(readSweep(at("s/sweep.json")), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it("is found beside its model, the newest of several, wherever the project lies now", async () => {
    assert.deepEqual(await newestSweep(model()), { problems: [] });
    await write("a", sample({ finishedAt: "2026-01-31T12:00:00.000Z" }));
    await write("b", sample({ finishedAt: "2026-02-01T12:00:00.000Z", file: "C:\\work\\model.py" }));
    await write("c", sample({ finishedAt: "2026-03-01T12:00:00.000Z", model: "Other" }));
    await write("d", sample({ finishedAt: "2026-03-01T12:00:00.000Z", file: "/project/other.py" }));
    const { newest, problems } = await newestSweep(model());
    assert.equal(newest?.file, at("b/sweep.json"));
    assert.equal(newest.report.finishedAt, "2026-02-01T12:00:00.000Z");
    assert.deepEqual(problems, []);
  });

  it("is passed over when it is broken, with the reason", async () => {
    await write("a", sample());
    await write("b", "{");
    const { newest, problems } = await newestSweep(model());
    assert.equal(newest?.file, at("a/sweep.json"));
    assert.equal(problems.length, 1);
    assert.ok(problems[0]!.includes(at("b/sweep.json")));
  });

  it("is not looked for behind links", async () => {
    await write("elsewhere/a", sample());
    await mkdir(at("project/real"), { recursive: true });
    await symlink(at("elsewhere/a"), at("project/link"));
    await symlink(at("elsewhere/a/sweep.json"), at("project/real/sweep.json"));
    assert.deepEqual(await newestSweep({ ...model(), file: at("project/model.py") }), { problems: [] });
  });
});
