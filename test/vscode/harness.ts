/** Real VS Code windows for tests: one browser a test process, one server a set-up, one window and one folder a test. */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, errors, type FrameLocator, type Locator, type Page } from "playwright-core";
import { root } from "../../scripts/build.mjs";
import type { Edition } from "../../scripts/vscodeFetch";
import { startServer, type VscodeServer, workbenchUrl } from "../../scripts/vscodeServer";
import { launchBrowser } from "./browser";

export { root };

/** How long a window may take to do one thing on a slow machine. */
export const PATIENCE = 60_000;
const PALETTE_PATIENCE = 10_000;
const PALETTE_ATTEMPTS = 6;

/** A page of ours: notebooks show their Markdown in a webview of their own. */
const OWN_PAGE = 'iframe.webview[src*="extensionId=lora-lens.lora-lens"]';

const log = (line: string) => process.stderr.write(`${line}\n`);

let browser: Promise<Browser> | undefined;
/** By what they were started with. */
const servers = new Map<string, Promise<VscodeServer>>();

function serverFor({ env = {}, installed }: WindowOptions): Promise<VscodeServer> {
  const key = JSON.stringify([env, installed]);
  const server = servers.get(key) ?? startServer({ log, env, ...installed });
  servers.set(key, server);
  return server;
}

/** Ends the servers and the browser of this process. */
export async function stopAll(): Promise<void> {
  const started = [...servers.values()];
  servers.clear();
  const opened = browser;
  browser = undefined;
  await (await opened)?.close();
  for (const server of started) await (await server).stop();
}

// Under mocha, when the last test of the process is done.
if (typeof after === "function") after(stopAll);

export interface WindowOptions {
  /** Absolute path of a folder whose copy is opened; examples/ when left out. */
  readonly folder?: string;
  /** Path inside the folder of a file to open. */
  readonly file?: string;
  /** Absolute path of a script whose `run()` the extension host calls. */
  readonly tests?: string;
  /** Environment of the extension host. */
  readonly env?: Readonly<Record<string, string>>;
  /** A VSIX file to be installed, in place of the project's folder, and the VS Code for it. */
  readonly installed?: { readonly vsix: string; readonly edition: Edition };
  /** Called before the page is opened. */
  readonly prepare?: (page: Page) => Promise<void>;
}

/** A VS Code window with the extension loaded, on a copy of a folder that is removed in the end. */
export class TestWindow {
  private constructor(
    readonly page: Page,
    readonly folder: string,
  ) {}

  static async open(options: WindowOptions = {}): Promise<TestWindow> {
    browser ??= launchBrowser();
    const chromium = await browser;
    const server = await serverFor(options);
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-test-"));
    await cp(options.folder ?? join(root, "examples"), folder, { recursive: true });
    const page = await chromium.newPage({ viewport: { width: 1280, height: 860 } });
    page.setDefaultTimeout(PATIENCE);
    await options.prepare?.(page);
    await page.goto(
      workbenchUrl(server, {
        folder,
        ...(options.installed ? {} : { extension: root }),
        ...(options.file ? { file: join(folder, options.file) } : {}),
        ...(options.tests ? { tests: options.tests } : {}),
      }),
    );
    await page.locator(".monaco-workbench").waitFor();
    return new TestWindow(page, folder);
  }

  async close(): Promise<void> {
    await this.page.context().close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The lines of text above code whose content matches. */
  lenses(text: string | RegExp) {
    return this.page.locator(".codelens-decoration a, .codelens-decoration span").filter({ hasText: text });
  }

  /**
   * Clicks the first lens whose text matches, until what it opens is there, a dialog or a panel of ours unless told:
   * VS Code draws lenses anew when the editor's size changes, and a press that meets this does nothing.
   */
  async clickLens(text: string | RegExp, opens?: Locator): Promise<void> {
    await this.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    const opened = opens ?? this.page.locator(".quick-input-widget:visible").or(this.page.locator(OWN_PAGE)).first();
    for (let attempt = 1; ; attempt++) {
      await this.lenses(text).first().click();
      try {
        await opened.waitFor({ timeout: PALETTE_PATIENCE });
        return;
      } catch (error) {
        if (attempt === PALETTE_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
      }
    }
  }

  /**
   * Runs a command by its title in the command palette. The palette closes when something else takes the focus, such as
   * a panel that opens at that moment: then it is opened again.
   */
  async command(title: string): Promise<void> {
    const palette = this.page.locator(".quick-input-widget");
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press("F1");
      try {
        await palette.locator("input[type=text]").first().fill(`>${title}`, { timeout: PALETTE_PATIENCE });
        const row = palette.locator(".quick-input-list .monaco-list-row", { hasText: title }).first();
        await row.click({ timeout: PALETTE_PATIENCE });
        return;
      } catch (error) {
        if (attempt === PALETTE_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
      }
    }
  }

  /** Opens a file of the folder, by its path in it. */
  async openFile(path: string): Promise<void> {
    await this.page.keyboard.press("Control+P");
    const name = path.split("/").at(-1)!;
    await this.page.locator(".quick-input-widget input[type=text]").first().fill(join(this.folder, path));
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().click();
    await this.page.locator(".tab.active", { hasText: name }).waitFor();
  }

  /** Waits for a notification whose text matches. */
  async notification(text: string | RegExp): Promise<void> {
    await this.page.locator(".notification-toast, .notification-list-item").filter({ hasText: text }).first().waitFor();
  }

  /** Waits for the step of a dialog that its title names, `(2/4)`, and gives the dialog. */
  async step(step: number, steps: number) {
    const dialog = this.page.locator(".quick-input-widget");
    await dialog.locator(".quick-input-title", { hasText: `(${step}/${steps})` }).waitFor();
    return dialog;
  }

  /** Puts a text into the step's input and waits for what the dialog says about it. */
  async answer(text: string, says: string | RegExp): Promise<void> {
    const dialog = this.page.locator(".quick-input-widget");
    await dialog.locator("input[type=text]").first().fill(text);
    await dialog.locator(".quick-input-message", { hasText: says }).waitFor();
  }

  /** Presses Enter in the dialog's input: a panel or an editor that has just changed may have taken the focus. */
  async accept(): Promise<void> {
    await this.page.locator(".quick-input-widget input[type=text]").first().press("Enter");
  }

  /**
   * Chooses a row of the dialog's list, until what that brings is there: a list that was filled a moment ago may not take
   * the first click.
   */
  async choose(text: string | RegExp, brings: Locator): Promise<void> {
    const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: text });
    for (let attempt = 1; ; attempt++) {
      await row.first().click();
      try {
        await brings.first().waitFor({ timeout: PALETTE_PATIENCE });
        return;
      } catch (error) {
        if (attempt === PALETTE_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
      }
    }
  }

  /** Shows the hover at the cursor, until it says what is expected: problems may come after the first one is shown. */
  async hover(text: RegExp): Promise<void> {
    const said = this.page.locator(".monaco-hover").getByText(text).first();
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press("Control+k");
      await this.page.keyboard.press("Control+i");
      try {
        await said.waitFor({ timeout: PALETTE_PATIENCE });
        return;
      } catch (error) {
        if (attempt === PALETTE_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
        await this.page.keyboard.press("Escape");
      }
    }
  }

  /** Accepts what the steps of a dialog offer, from one to another. */
  async acceptSteps(from: number, to: number, steps: number): Promise<void> {
    for (let step = from; step <= to; step++) {
      await this.step(step, steps);
      await this.accept();
    }
  }

  /**
   * Accepts the path that the file dialog offers, once it stands there: the dialog puts it in and selects a part of it
   * some time after it opens, and anything typed before that ends up inside it. The dialog ignores Enter while it still
   * looks at the folder.
   */
  async acceptFile(offered: string): Promise<void> {
    const inputs = `[...document.querySelectorAll(".quick-input-widget input[type=text]")]`;
    await this.page.waitForFunction(`${inputs}.some((input) => input.value === ${JSON.stringify(offered)})`);
    const dialog = this.page.locator(".quick-input-widget");
    for (let attempt = 1; ; attempt++) {
      try {
        await this.accept();
        await dialog.waitFor({ state: "hidden", timeout: PALETTE_PATIENCE });
        return;
      } catch (error) {
        if (attempt === PALETTE_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
      }
    }
  }

  /** Goes through the steps of Train… with what each offers, but for the number of epochs and the files. */
  async startTraining(epochs: number, data = "digits.csv", weights = "None"): Promise<void> {
    await (await this.step(1, 6)).locator(".monaco-list-row", { hasText: data }).click();
    await (await this.step(2, 6)).locator(".monaco-list-row.focused", { hasText: "label" }).waitFor();
    await this.acceptSteps(2, 3, 6);
    await (await this.step(4, 6)).locator(".monaco-list-row", { hasText: weights }).click();
    await this.step(5, 6);
    await this.answer(`${epochs}, 32, 0.002`, `${epochs} epochs in batches of 32`);
    await this.accept();
    await this.acceptSteps(6, 6, 6);
  }

  /** Leaves one editor, the model's, with the focus; no panel and no notification. */
  async tidy(): Promise<void> {
    await this.command("Notifications: Clear All Notifications");
    await this.command("View: Focus First Editor Group");
    await this.command("View: Close Editors in Other Groups");
    await this.page.locator(OWN_PAGE).first().waitFor({ state: "detached" });
  }

  /** The content of the webview panel in front. */
  panel(): FrameLocator {
    return this.page.frameLocator(`${OWN_PAGE}.ready`).frameLocator("#active-frame");
  }

  /** Where the test failed, puts a picture and what the window says into the record. To be called after each test. */
  async record(test: Mocha.Test | undefined): Promise<void> {
    if (test?.state !== "failed") return;
    await this.screenshot(`failed-${test.title}`);
    const texts = async (selector: string) => (await this.page.locator(selector).allInnerTexts()).filter(Boolean);
    const dialog = await texts(".quick-input-widget:visible");
    const tabs = await texts(".tab");
    // Those that are no longer in sight, too.
    await this.page.keyboard.press("Escape");
    await this.command("Notifications: Show Notifications");
    log(
      `the window's state: ${JSON.stringify({ tabs, dialog, notifications: await texts(".notification-list-item") })}`,
    );
  }

  /** Saves a picture when the environment's LORA_LENS_SCREENSHOTS names a folder. */
  async screenshot(name: string): Promise<void> {
    const folder = process.env.LORA_LENS_SCREENSHOTS;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }
}
