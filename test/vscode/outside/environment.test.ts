import { join } from "node:path";
import { root, TestWindow } from "../harness";

describe("a model built from an installed package, in a window", function () {
  this.timeout(180_000);
  let window: TestWindow;

  before(async () => {
    window = await TestWindow.open({ folder: join(root, "test/fixtures/environment"), file: "model.py" });
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  it("has lenses and hints that count what the environment's package defines", async () => {
    await window.lenses("sizes from config.json").waitFor();
    // Two linear layers in each of three blocks: 3 * 8 * ((48 + 144) + (48 + 48)).
    await window.lenses(/^LoRA r=8 · 6 layers · 6,912 trainable/).waitFor();
    await window.page.getByText("[B, T, 48]").first().waitFor();
    await window.page.getByText("[B, T, 200]").first().waitFor();
    await window.screenshot("environment");
  });

  it("takes its sizes from the chosen configuration, and from the file again once that is dropped", async () => {
    await window.clickLens("sizes from config.json");
    const row = (text: string) => window.page.locator(".quick-input-list .monaco-list-row", { hasText: text });
    await row("config.json").filter({ hasText: "in use" }).first().waitFor();
    await window.screenshot("configuration-choice");
    await row("TinyConfig's defaults").click();
    await window.lenses("sizes from TinyConfig's defaults").waitFor();
    await window.lenses(/^LoRA r=8 · 4 layers · 3,072 trainable/).waitFor();
    await window.page.getByText("[B, T, 32]").first().waitFor();
    await window.page.getByText("[B, T, 48]").first().waitFor({ state: "detached" });
    await window.screenshot("configuration-chosen");

    await window.command("LoRA Lens: Choose Configuration…");
    await row("TinyConfig's defaults").filter({ hasText: "in use" }).waitFor();
    await row("Automatic").click();
    await window.lenses("sizes from config.json").waitFor();
  });
});
