/**
 * `npm run package [-- NAME…]`: writes what is published into packages/: a VSIX file for each platform, a universal one,
 * and the npm package of the command line. Names choose among them: linux-x64, universal, npm.
 */
import { mkdir } from "node:fs/promises";
import { packNpm } from "./package/npm";
import { NPM, PACKAGES, TARGETS } from "./package/targets";
import { packVsix } from "./package/vsix";

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const names = [...TARGETS.map(({ name }) => name), NPM];
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no package "${unknown}"; there are ${names.join(", ")}`);
  const chosen = wanted.length > 0 ? names.filter((name) => wanted.includes(name)) : names;
  await mkdir(PACKAGES, { recursive: true });
  for (const name of chosen) {
    const target = TARGETS.find((one) => one.name === name);
    const { file, bytes, files } = target ? await packVsix(target) : await packNpm();
    say(`${file}  ${(bytes / 1e6).toFixed(1)} MB in ${files} files`);
    if (target && target.native.length === 0) say(`  without ONNX Runtime: it runs on TensorFlow.js and WebAssembly`);
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
