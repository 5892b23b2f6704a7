import { strict as assert } from "node:assert";
import { fromPage, restoredState } from "../../../src/extension/panels/messages";

describe("messages of a page", () => {
  it("are let through when they are on the list, without their other fields", () => {
    assert.deepEqual(fromPage({ type: "ready", command: "evil" }), { type: "ready" });
    assert.deepEqual(fromPage({ type: "reveal", file: "/net.py", line: 3 }), {
      type: "reveal",
      file: "/net.py",
      line: 3,
    });
    assert.deepEqual(fromPage({ type: "save", format: "html" }), { type: "save", format: "html" });
  });

  for (const message of [
    undefined,
    null,
    "ready",
    {},
    { type: "run", command: "workbench.action.quit" },
    { type: "reveal", file: "/net.py", line: 0 },
    { type: "reveal", file: "/net.py", line: "3" },
    { type: "reveal", file: 3, line: 3 },
    { type: "save", format: "exe" },
  ]) {
    it(`are dropped when they are not: ${JSON.stringify(message)}`, () => {
      assert.equal(fromPage(message), undefined);
    });
  }
});

describe("a page's state over a reload", () => {
  it("keeps reports and failures", () => {
    const report = { type: "report", report: { kind: "verify" } };
    assert.deepEqual(restoredState({ state: report, choices: {} }), report);
    const failed = { type: "failed", title: "Train Net", message: "no such column" };
    assert.deepEqual(restoredState({ state: failed }), failed);
  });

  for (const kept of [
    undefined,
    { state: { type: "running", title: "Train Net" } },
    { state: { type: "report", report: { kind: "other" } } },
    { state: { type: "report" } },
  ]) {
    it(`says that there is no result: ${JSON.stringify(kept)}`, () => {
      const state = restoredState(kept);
      assert.equal(state.type, "failed");
      assert.match(state.type === "failed" ? state.message : "", /Run the command again/);
    });
  }
});
