import assert from "node:assert/strict";
import { chooseEngine, engines, listEngines } from "../../../src/worker/engines/choose";
import { ENGINES } from "../../../src/worker/engines/registry";
import { UserError } from "../../../src/worker/formats/errors";

describe("choosing an engine", function () {
  this.timeout(40_000);

  it("lists each engine with its device or the reason why it is unavailable, and marks the chosen one", async () => {
    const list = await listEngines();
    assert.deepEqual(list.map(({ id }) => id).sort(), [
      "onnxruntime-cpu",
      "onnxruntime-cuda",
      "onnxruntime-webgpu",
      "tfjs",
    ]);
    for (const engine of list) assert.ok(engine.available ? engine.device : engine.reason, engine.id);
    assert.equal(list.filter(({ chosen }) => chosen).length, 1);
  });

  it("returns the requested engine, or the reason why it is unavailable", async () => {
    for (const engine of engines()) {
      const state = await engine.available();
      if (state.available) assert.equal((await chooseEngine(engine.id)).engine, engine);
      else
        await assert.rejects(
          chooseEngine(engine.id),
          (e) => e instanceof UserError && e.message.includes(state.reason),
        );
    }
  });

  it("gives each engine a different turn, so that the automatic choice is unique", () => {
    const turns = ENGINES.flatMap(({ automatic }) => automatic.map(({ turn }) => turn));
    assert.equal(new Set(turns).size, turns.length);
    assert.equal(new Set(engines().map(({ id }) => id)).size, ENGINES.length);
  });

  it("picks a real device", async () => {
    const { engine } = await chooseEngine("auto");
    const state = await engine.available();
    assert.ok(state.available && !state.software);
  });

  it("lists the engines when an unknown one is requested", async () => {
    await assert.rejects(chooseEngine("tensorrt"), /no engine "tensorrt"; choose auto, .*onnxruntime-cpu/);
  });
});
