/** Draws media/icon.png, which package.json names, from media/icon.svg. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { launchBrowser } from "../test/vscode/browser";
import { root } from "./build.mjs";

const browser = await launchBrowser();
const page = await browser.newPage({ viewport: { width: 128, height: 128 } });
const svg = await readFile(join(root, "media", "icon.svg"), "utf8");
await page.setContent(`<style>body{margin:0}svg{display:block}</style>${svg}`);
await writeFile(join(root, "media", "icon.png"), await page.screenshot({ omitBackground: true }));
await browser.close();
