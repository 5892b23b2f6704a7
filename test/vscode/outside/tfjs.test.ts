import { join } from "node:path";
import { root, TestWindow } from "../harness";

describe("TensorFlow.js source in a window", function () {
  this.timeout(180_000);

  it("has lenses above its layers, those of a loop together, and its model is analyzed", async () => {
    const window = await TestWindow.open({ folder: join(root, "test/fixtures/tfjs"), file: "train.ts" });
    try {
      await window.lenses(/^LoRA r=8 targets 4 of 5 Linear layers/).waitFor();
      await window.lenses(/^LoRA r=8 · 7,296 trainable/).waitFor();
      const loop = /^LoRA r=8 · 3 layers · 6,144 trainable/;
      await window.lenses(loop).waitFor();
      await window.screenshot("lenses-tfjs");
      await window.clickLens(loop);
      await window.panel().locator("h1", { hasText: "Efficiency" }).waitFor();
      await window.panel().locator("tr[aria-current=true]").filter({ hasText: "128" }).waitFor();
      await window.screenshot("analyze-tfjs");
    } finally {
      await window.close();
    }
  });
});
