/** A headless Chromium: the one named by CHROMIUM, else the npm package @sparticuz/chromium, else the system's. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import packaged from "@sparticuz/chromium";
import { type Browser, chromium as driver } from "playwright-core";

/** Debian's and Fedora's packages of the libraries that the packaged Chromium loads. */
const LIBRARY_PACKAGES: Readonly<Record<string, { apt: string; dnf: string }>> = {
  "libnspr4.so": { apt: "libnspr4", dnf: "nspr" },
  "libplc4.so": { apt: "libnspr4", dnf: "nspr" },
  "libplds4.so": { apt: "libnspr4", dnf: "nspr" },
  "libnss3.so": { apt: "libnss3", dnf: "nss" },
  "libnssutil3.so": { apt: "libnss3", dnf: "nss-util" },
  "libexpat.so.1": { apt: "libexpat1", dnf: "expat" },
};

export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM || (await packagedChromium()) || onPath();
  if (!executablePath) {
    throw new Error(
      "no Chromium for the tests: the packaged one is for Linux x64 only; install Chromium or Chrome and set CHROMIUM to its path",
    );
  }
  if (!existsSync(executablePath))
    throw new Error(`no Chromium at ${executablePath} (from the environment's CHROMIUM)`);
  await refuseMissingLibraries(executablePath);
  // Its sandbox needs privileges that containers do not give; only our own pages are opened.
  return driver.launch({ executablePath, headless: true, args: ["--no-sandbox", "--font-render-hinting=none"] });
}

async function packagedChromium(): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  return packaged.executablePath();
}

function onPath(): string | undefined {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}

async function refuseMissingLibraries(executable: string): Promise<void> {
  if (process.platform !== "linux") return;
  // ldd exits with an error on a wrapper script, which then finds its libraries by itself.
  const { stdout } = await promisify(execFile)("ldd", [executable]).catch(() => ({ stdout: "" }));
  const missing = missingLibraries(stdout);
  if (missing.length > 0) throw new Error(missingLibrariesMessage(missing));
}

/** Names of the libraries that `ldd` reports as not found. */
export function missingLibraries(ldd: string): string[] {
  return [...ldd.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!);
}

export function missingLibrariesMessage(missing: readonly string[]): string {
  const packages = (kind: "apt" | "dnf") => [
    ...new Set(missing.flatMap((name) => LIBRARY_PACKAGES[name]?.[kind] ?? [])),
  ];
  const known = packages("apt").length > 0;
  const remedy = known
    ? `; install them: apt-get install ${packages("apt").join(" ")}   or: dnf install ${packages("dnf").join(" ")}`
    : "";
  return `the tests' Chromium needs system libraries that are missing: ${missing.join(", ")}${remedy}`;
}
