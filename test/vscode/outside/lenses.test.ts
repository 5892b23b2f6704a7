import { TestWindow } from "../harness";

describe("code lenses in a window", function () {
  this.timeout(180_000);

  it("stand above the layers of transformer/model.py", async () => {
    const window = await TestWindow.open({ file: "transformer/model.py" });
    try {
      await window
        .lenses(/^LoRA r=8 · 2 layers · 4,096 trainable · 8\.1× fewer · scale 2$/)
        .first()
        .waitFor();
      await window
        .lenses(/^Verify$/)
        .first()
        .waitFor();
      await window.screenshot("lenses-transformer");
    } finally {
      await window.close();
    }
  });
});
