import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root, TestWindow } from "../harness";

describe("shapes in a window", function () {
  this.timeout(180_000);

  it("stand behind the assignments of transformer/model.py", async () => {
    const window = await TestWindow.open({ file: "transformer/model.py" });
    try {
      await window
        .lenses(/^Verify$/)
        .first()
        .waitFor();
      await window.page.keyboard.press("Control+g");
      await window.page.keyboard.type("33\n");
      await window.page.getByText("[batch, 4, length, 32]").first().waitFor();
      await window.page.getByText("[batch, length, 128]").first().waitFor();
      await window.screenshot("shapes-transformer");
    } finally {
      await window.close();
    }
  });

  it("that do not fit are an error at the expression", async () => {
    const window = await TestWindow.open({ folder: join(root, "test/fixtures/shapes"), file: "mismatch.py" });
    try {
      await window.page.locator(".squiggly-error").first().waitFor();
      await window.page.getByText("[batch, 256]").first().waitFor();
      await window.page.keyboard.press("Control+g");
      await window.page.keyboard.type("30:17\n");
      await window.page.keyboard.press("Control+k");
      await window.page.keyboard.press("Control+i");
      await window.page
        .getByText(/takes inputs whose last dimension is 512/)
        .first()
        .waitFor();
      await window.screenshot("shapes-error");
    } finally {
      await window.close();
    }
  });

  it("are those of the inputs stated in a comment, unless the setting states others", async () => {
    const window = await TestWindow.open({ folder: join(root, "test/fixtures/shapes"), file: "inputs.py" });
    try {
      await window.page.getByText("[B, 8, 48, 48]").first().waitFor();
      await window.screenshot("inputs-comment");
      await mkdir(join(window.folder, ".vscode"));
      const settings = { "loraLens.inputShapes": { Net: { x: "2,1,34,34" } } };
      await writeFile(join(window.folder, ".vscode/settings.json"), JSON.stringify(settings));
      // 8 * 32 * 32 features do not fit the layer.
      await window.page.locator(".squiggly-error").first().waitFor();
      await window.screenshot("inputs-setting");
    } finally {
      await window.close();
    }
  });
});
