/** Pages in the headless Chromium, as VS Code frames them or as saved files. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { build, root } from "../../scripts/build.mjs";
import type { Report } from "../../src/protocol/jobRegistry";
import type { FromPage, PanelState } from "../../src/protocol/panel";
import { type PageAssets, standaloneHtml } from "../../src/worker/jobs/html";
import { launchBrowser } from "../vscode/browser";

export type Theme = "light" | "dark" | "high-contrast";

/** A few of the variables that VS Code gives its webviews, by theme. */
const THEMES: Readonly<Record<Theme, Readonly<Record<string, string>>>> = {
  light: { foreground: "#3b3b3b", "editor-background": "#ffffff", "panel-border": "#e5e5e5", focusBorder: "#005fb8" },
  dark: { foreground: "#cccccc", "editor-background": "#1f1f1f", "panel-border": "#2b2b2b", focusBorder: "#0078d4" },
  "high-contrast": {
    foreground: "#ffffff",
    "editor-background": "#000000",
    "panel-border": "#6fc3df",
    contrastBorder: "#6fc3df",
    focusBorder: "#f38518",
  },
};
const COMMON: Readonly<Record<string, string>> = {
  "font-family": "sans-serif",
  "font-size": "13px",
  "charts-blue": "#3794ff",
  "charts-orange": "#d18616",
  "charts-green": "#388a34",
  "charts-purple": "#b180d7",
  "charts-red": "#f14c4c",
  "charts-yellow": "#cca700",
  "testing-iconPassed": "#388a34",
  "testing-iconFailed": "#f14c4c",
};

export class PageLab {
  private constructor(
    private readonly browser: Browser,
    private readonly folder: string,
    readonly assets: PageAssets,
  ) {}

  static async open(): Promise<PageLab> {
    await build({ parts: ["report", "style"] });
    const [script, style] = await Promise.all(
      ["report.js", "report.css"].map((name) => readFile(join(root, "dist", "media", name), "utf8")),
    );
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-pages-"));
    return new PageLab(await launchBrowser(), folder, { script: script!, style: style! });
  }

  async close(): Promise<void> {
    await this.browser.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A page framed as the extension frames it, with a stand-in for VS Code that keeps what the page sends. */
  async panel(state: PanelState, theme: Theme = "light", width = 1000): Promise<Panel> {
    const variables = Object.entries({ ...COMMON, ...THEMES[theme] });
    const style = variables.map(([name, value]) => `--vscode-${name}:${value}`).join(";");
    const nonce = "fixed";
    const html = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src file:; script-src 'nonce-${nonce}'">
<link rel="stylesheet" href="report.css"></head><body class="vscode-${theme}">
<script nonce="${nonce}">
document.documentElement.style.cssText = ${JSON.stringify(style)};
window.sent = []; window.kept = undefined;
window.acquireVsCodeApi = () => ({ postMessage: (message) => window.sent.push(message), getState: () => window.kept, setState: (state) => { window.kept = state; } });
</script><script nonce="${nonce}" src="report.js"></script></body></html>`;
    await writeFile(join(this.folder, "report.css"), this.assets.style);
    await writeFile(join(this.folder, "report.js"), this.assets.script);
    const page = await this.load("panel.html", html, width, theme === "light" ? "light" : "dark");
    const panel = new Panel(page);
    await panel.send(state);
    return panel;
  }

  /** A report saved as a file. */
  standalone(report: Report, scheme: "light" | "dark" = "light"): Promise<Page> {
    return this.load("saved.html", standaloneHtml(report, this.assets), 1000, scheme);
  }

  private async load(name: string, html: string, width: number, colorScheme: "light" | "dark"): Promise<Page> {
    const path = join(this.folder, name);
    await writeFile(path, html);
    const page = await this.browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.on("pageerror", (error) => {
      throw error;
    });
    await page.goto(pathToFileURL(path).href);
    return page;
  }
}

export class Panel {
  constructor(readonly page: Page) {}

  async send(state: PanelState): Promise<void> {
    await this.page.evaluate(`window.postMessage(${JSON.stringify({ type: "state", state })}, "*")`);
    await this.page.locator("main").waitFor();
  }

  /** What the page has sent so far. */
  sent(): Promise<FromPage[]> {
    return this.page.evaluate("window.sent");
  }
}

/** Saves a picture of the whole page when the environment's LORA_LENS_SCREENSHOTS names a folder. */
export async function photograph(page: Page, name: string): Promise<void> {
  const folder = process.env.LORA_LENS_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
