import { strict as assert } from "node:assert";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ownTarget, TARGETS } from "../../../scripts/package/targets";
import { type Packed, packVsix } from "../../../scripts/package/vsix";
import { type Edition, NEWEST, OLDEST } from "../../../scripts/vscodeFetch";
import { fileAppears } from "../fileAppears";
import { PATIENCE, root, TestWindow } from "../harness";

const EDITIONS: readonly [string, Edition][] = [
  ["the oldest VS Code that is supported", OLDEST],
  ["the newest VS Code", NEWEST],
];

describe("the packed extension, installed into a clean profile with no source in reach", () => {
  let vsix: string;
  let packed: Packed;

  before(async function () {
    this.timeout(PATIENCE * 3);
    const target = ownTarget() ?? TARGETS.find(({ name }) => name === "universal")!;
    packed = await packVsix(target);
    vsix = join(root, packed.file);
  });

  it("is at most 25 MB in 120 files", () => {
    assert.ok(packed.bytes <= 25e6 && packed.files <= 120, `${packed.bytes} bytes in ${packed.files} files`);
  });

  for (const [where, edition] of EDITIONS) {
    describe(`in ${where}`, function () {
      this.timeout(PATIENCE * 3);
      let window: TestWindow;
      const digits = (name: string) => join(window.folder, "digits", name);

      before(async function () {
        // The VS Code itself may have to be fetched.
        this.timeout(PATIENCE * 8);
        window = await TestWindow.open({ installed: { vsix, edition } });
        // The file comes when VS Code has started: its own extensions' start is no part of what ours takes.
        await window.page.locator(".explorer-folders-view .monaco-list-row", { hasText: "digits" }).first().waitFor();
        await window.openFile("digits/model.py");
        await window.lenses("LoRA r=8").first().waitFor();
        await window.command("View: Close Primary Side Bar");
      });
      afterEach(async function () {
        await window.record(this.currentTest);
        await window.tidy();
      });
      after(() => window?.close());

      it("shows lenses, and a lens opens the analysis, which is saved as a page", async () => {
        await window.clickLens(/^LoRA r=8 · 2,048 trainable/);
        const panel = window.panel();
        await panel.locator("tr[aria-current=true]").filter({ hasText: "fc2" }).waitFor();
        await panel.locator("figure svg").nth(3).waitFor();
        await window.screenshot(`package-analyze-${edition.package}`);
        await panel.getByRole("button", { name: "Save as HTML" }).click();
        await window.acceptFile(digits("model-analyze.html"));
        await fileAppears(join(window.folder, "digits"), "model-analyze.html");
      });

      it("injects adapters", async () => {
        // It is watched for the file.
        await mkdir(digits("model-lora"));
        await window.clickLens("Inject…");
        await window.acceptSteps(1, 5, 5);
        await fileAppears(digits("model-lora"), "adapter_config.json");
        const config = JSON.parse(await readFile(digits("model-lora/adapter_config.json"), "utf8"));
        assert.deepEqual(config.target_modules, ["fc1", "fc2"]);
      });

      it("verifies them", async () => {
        await window.clickLens(/^Verify$/);
        await window
          .panel()
          .locator(".verdict", { hasText: /All \d+ checks passed/ })
          .waitFor();
        await window.screenshot(`package-verify-${edition.package}`);
      });

      it("trains, and merges the result into the weights", async () => {
        await window.clickLens("Train…");
        await window.startTraining(3, "rotated.csv", "base.safetensors");
        const panel = window.panel();
        await panel.locator(".verdict", { hasText: "Finished 3 epochs" }).waitFor();
        await panel.locator("figure svg text").first().waitFor();
        await window.screenshot(`package-train-${edition.package}`);
        await window.tidy();

        await window.command("LoRA Lens: Merge…");
        await window.acceptSteps(1, 2, 2);
        await window.page.locator(".quick-input-title", { hasText: "Merged weights" }).waitFor();
        await window.acceptFile(digits("model-merged.safetensors"));
        await fileAppears(join(window.folder, "digits"), "model-merged.safetensors");
        assert.ok((await readFile(digits("model-merged.safetensors"))).length > 4 * 26_122);
      });

      it("shows no notifications other than its own", async () => {
        await window.command("Notifications: Show Notifications");
        const notices = await window.page.locator(".notification-list-item").allInnerTexts();
        assert.deepEqual(
          notices.filter((text) => !text.includes("Source: LoRA Lens")),
          [],
        );
      });
    });
  }
});
