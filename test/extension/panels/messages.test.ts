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
    assert.deepEqual(fromPage({ type: "save", format: "csv" }), { type: "save", format: "csv" });
  });

  it("ask for other layer sizes with sizes, ranks and names of models, and with nothing else", () => {
    const size = { inFeatures: 768, outFeatures: 3072, bias: false, name: "mine", layers: 12 };
    const question = { sizes: [size], ranks: [8], known: ["gpt2"], openModel: true };
    const asked = {
      type: "compareSizes",
      question: { ...question, model: { file: "/etc/passwd" }, sizes: [{ ...size, evil: 1 }] },
    };
    assert.deepEqual(fromPage(asked), { type: "compareSizes", question });
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
    { type: "compareSizes" },
    { type: "compareSizes", question: { sizes: [{ inFeatures: "768", outFeatures: 768 }], ranks: [8] } },
    { type: "compareSizes", question: { sizes: [], ranks: ["8"] } },
    { type: "compareSizes", question: { sizes: [], ranks: [8], known: "gpt2" } },
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
