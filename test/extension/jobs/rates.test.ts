import { strict as assert } from "node:assert";
import { offeredRates, parseRates, ratesText } from "../../../src/extension/jobs/rates";

describe("the rates that the training dialog offers", () => {
  const settings = { epochs: 20, batchSize: 32, learningRate: null };

  it("use the method's learning rate where the settings have none, as on the command line", () => {
    assert.equal(ratesText(offeredRates(settings, "lora")), "20, 32, 0.001");
    assert.equal(ratesText(offeredRates(settings, "head")), "20, 32, 0.001");
    assert.equal(ratesText(offeredRates(settings, "full")), "20, 32, 0.0001");
  });

  it("use the settings' learning rate where it is set", () => {
    assert.equal(ratesText(offeredRates({ ...settings, learningRate: 0.002 }, "full")), "20, 32, 0.002");
  });

  it("are read back from the text", () => {
    const rates = { epochs: 3, batchSize: 16, learningRate: 5e-5 };
    assert.deepEqual(parseRates(ratesText(rates)), rates);
  });

  for (const text of ["", "20, 32", "20, 32, 0", "20, 32, -1", "0, 32, 0.1", "2.5, 32, 0.1", "20, , 0.1", "a, b, c"]) {
    it(`are refused when they are "${text}"`, () => assert.equal(parseRates(text), undefined));
  }
});
