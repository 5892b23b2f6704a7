import { strict as assert } from "node:assert";
import { targetModules, withLayers } from "../../../../src/worker/lora/targets/chosen";
import type { ModuleInfo } from "../../../../src/worker/readers/model";

function module(path: string, children: readonly ModuleInfo[] = []): ModuleInfo {
  const place = { file: "net.py", line: 1, column: 1, endLine: 1, endColumn: 2 };
  return { path, kind: children.length > 0 ? "Module" : "Linear", place, builtin: true, parameters: 1, children };
}

describe("target modules for chosen layers", () => {
  const root = module("", [
    module("a", [module("a.query"), module("a.fc")]),
    module("b", [module("b.query"), module("b.fc")]),
    module("fc"),
  ]);

  it("are names where a name means the same layers", () => {
    assert.deepEqual(targetModules({ root }, ["a.query", "b.query"]), ["query"]);
    assert.deepEqual(targetModules({ root }, ["a.query", "b.query", "a.fc"]), ["query", "a.fc"]);
  });

  it("are a regular expression where a path is another's suffix", () => {
    assert.equal(targetModules({ root }, ["fc", "a.query"]), "fc|a\\.query");
  });

  it("replace a configuration's target and excluded modules, and nothing else", () => {
    const kept = { r: 2, target_modules: "all-linear", exclude_modules: ["fc"], init_lora_weights: "gaussian" };
    assert.deepEqual(withLayers({ root }, kept, ["a.fc", "b.fc"]), {
      ...kept,
      target_modules: ["a.fc", "b.fc"],
      exclude_modules: null,
    });
  });
});
