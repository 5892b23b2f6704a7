import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { type FrontDoor, openFrontDoor } from "../../../scripts/frontDoor";
import { startServer, type VscodeServer, workbenchPath } from "../../../scripts/vscodeServer";
import { launchBrowser } from "../browser";
import { PATIENCE, root } from "../harness";

describe("the VS Code that npm start opens", function () {
  this.timeout(PATIENCE * 2);
  let server: VscodeServer;
  let door: FrontDoor;
  let browser: Browser;
  let page: Page;

  before(async () => {
    server = await startServer({ log: (line) => process.stderr.write(`${line}\n`) });
    const folder = join(root, "examples");
    // Opened with the window, before any extension is there.
    const window = { folder, extension: root, file: join(folder, "course", "lora.ipynb") };
    door = await openFrontDoor(server.port, (host) => workbenchPath(host, window), undefined);
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`http://127.0.0.1:${door.port}/`);
    await page.locator(".monaco-workbench").waitFor();
  });
  after(async () => {
    await browser?.close();
    door?.close();
    await server?.stop();
  });

  it("opens at a short address, and a notebook in its first second as a notebook", async () => {
    await page.locator(".tab.active", { hasText: "lora.ipynb" }).waitFor();
    await page.locator(".notebookOverlay .cell-editor-container", { hasText: "class DigitClassifier" }).waitFor();
    assert.match(page.url(), /\/\?folder=/);
  });

  it("opens a JSON file and finds text in files, without a notice", async () => {
    const row = (name: string) => page.locator(".explorer-folders-view .monaco-list-row", { hasText: name }).first();
    await page.keyboard.press("Control+Shift+E");
    await row("keras").click();
    await row("model.json").dblclick();
    await page.locator(".codelens-decoration a", { hasText: "LoRA r=8" }).first().waitFor();

    await page.keyboard.press("Control+Shift+F");
    await page.locator(".search-view textarea.input").first().fill("nn.Linear(d_model, vocab");
    await page.keyboard.press("Enter");
    await page.locator(".search-view .messages", { hasText: "1 result in 1 file" }).waitFor();

    assert.deepEqual(await page.locator(".notification-toast").allInnerTexts(), []);
  });
});
