import { TestWindow } from "../harness";

describe("code lenses in a window", function () {
  this.timeout(180_000);

  for (const file of ["digits/model.py", "transformer/model.py"]) {
    it(`stand above the layers of ${file}`, async () => {
      const window = await TestWindow.open({ file });
      try {
        await window
          .lenses(/^LoRA r=8 .* trainable/)
          .first()
          .waitFor();
        await window.lenses("Verify").first().waitFor();
        await window.screenshot(`lenses-${file.split("/")[0]}`);
      } finally {
        await window.close();
      }
    });
  }
});
