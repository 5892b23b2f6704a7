import { TestWindow } from "../harness";

describe("a Keras model in a window", function () {
  this.timeout(180_000);

  it("has lenses above the layers of keras/model.json", async () => {
    const window = await TestWindow.open({ file: "keras/model.json" });
    try {
      await window
        .lenses(/^LoRA r=8 · 1,280 trainable · 4\.9× fewer · scale 2$/)
        .first()
        .waitFor();
      await window.screenshot("lenses-keras");
    } finally {
      await window.close();
    }
  });
});
