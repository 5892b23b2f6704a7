import { strict as assert } from "node:assert";
import { excludeText, parseDropout, parseExclude } from "../../../src/extension/inject/answers";

describe("what is typed into the injection dialog", () => {
  it("dropout is a probability below 1", () => {
    assert.deepEqual(parseDropout("0.05"), { value: 0.05 });
    assert.deepEqual(parseDropout("0"), { value: 0 });
    for (const text of ["", "1", "-0.1", "ten", "NaN"]) assert.ok("error" in parseDropout(text), text);
  });

  it("excluded modules are names, a pattern or nothing, and are written as they are read", () => {
    assert.deepEqual(parseExclude("lm_head, fc "), { value: ["lm_head", "fc"] });
    assert.deepEqual(parseExclude("regex:.*\\.0\\..*"), { value: ".*\\.0\\..*" });
    assert.deepEqual(parseExclude(" "), { value: null });
    assert.ok("error" in parseExclude("regex:"));
    for (const value of [["a", "b"], "a|b", null]) assert.deepEqual(parseExclude(excludeText(value)), { value });
  });
});
