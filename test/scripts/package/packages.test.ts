import { strict as assert } from "node:assert";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { filesUnder } from "../../../scripts/package/files";
import { packNpm } from "../../../scripts/package/npm";
import { PACKAGES, TARGETS } from "../../../scripts/package/targets";
import { packVsix } from "../../../scripts/package/vsix";
import { COMMANDS } from "../../../src/worker/cli/commands/registry";
import { temporaryFolder } from "../../worker/formats/temporaryFolder";

const ROOT = join(__dirname, "../../..");
/** So that nothing comes from anywhere but the package and what lies beside it. */
const OFFLINE = ["--offline", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"];

/** Loads an extension without VS Code, and prints the names of what it requires meanwhile. */
const LOADED_WITH = `
const Module = require("node:module");
const load = Module._load;
const names = new Set();
const vscode = new Proxy(class {}, {
  get: (target, key) => (key === Symbol.toPrimitive ? () => 0 : key === "prototype" ? target.prototype : vscode),
});
Module._load = (name, ...rest) => {
  if (name !== process.argv[1]) names.add(name);
  return name === "vscode" ? vscode : load(name, ...rest);
};
require(process.argv[1]);
console.log(JSON.stringify([...names]));`;

describe("packages", function () {
  this.timeout(240_000);
  const at = temporaryFolder();

  it("the universal extension holds no native code, is at most 10 MB in 120 files, and loads little at first", async () => {
    const target = TARGETS.find(({ name }) => name === "universal")!;
    const { bytes, files } = await packVsix(target);
    assert.ok(bytes <= 10e6 && files <= 120, `${bytes} bytes in ${files} files`);
    const packed = await filesUnder(join(PACKAGES, target.name));
    assert.ok(packed.includes("dist/extension.js"));
    for (const name of packed) assert.doesNotMatch(name, /\.(node|so|dll|dylib|map)(\.|$)|^schemas\//);

    // VS Code's extensions start in turn on one thread: most of a start would be the language client's parsing.
    const extension = join(PACKAGES, target.name, "dist/extension.js");
    const { size } = await stat(extension);
    assert.ok(size < 100_000, `the extension's own bundle is ${size} bytes long`);
    const loaded = JSON.parse(
      execFileSync(process.execPath, ["-e", LOADED_WITH, extension], { encoding: "utf8" }),
    ) as string[];
    assert.ok(loaded.includes("vscode"));
    assert.deepEqual(
      loaded.filter((name) => name !== "vscode" && !isBuiltin(name)),
      [],
      "the extension loads more than VS Code and Node.js give before a worker starts",
    );
  });

  it("the command line, installed elsewhere, analyzes, verifies on TensorFlow.js and names a missing file", async () => {
    const { bytes, files, file } = await packNpm();
    assert.ok(bytes <= 10e6 && files <= 120, `${bytes} bytes in ${files} files`);
    const folder = at("elsewhere");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "package.json"), '{ "private": true }\n');
    await cp(join(ROOT, file), join(folder, basename(file)));
    await cp(join(ROOT, "examples/digits/model.py"), join(folder, "model.py"));
    await cp(join(ROOT, "test/fixtures/keras/cnn.h5"), join(folder, "cnn.h5"));
    const shell = process.platform === "win32";
    await promisify(execFile)("npm", ["install", ...OFFLINE, `./${basename(file)}`], { cwd: folder, shell });
    assert.deepEqual(
      (await readdir(join(folder, "node_modules/lora-lens/schemas"))).sort(),
      Object.keys(COMMANDS)
        .map((name) => `${name}.json`)
        .sort(),
    );
    const run = (...args: string[]) =>
      spawnSync("npx", ["--no-install", "lora-lens", ...args], { cwd: folder, shell, encoding: "utf8" });

    const analyzed = run("analyze", "model.py", "--json");
    assert.equal(analyzed.status, 0, analyzed.stderr);
    assert.equal(JSON.parse(analyzed.stdout).injection.trainable, 3584);
    const verified = run("verify", "model.py", "--json");
    assert.equal(verified.status, 0, verified.stderr);
    const report = JSON.parse(verified.stdout);
    assert.equal(report.passed, true);
    assert.match(report.engine, /TensorFlow\.js/);
    const read = run("layers", "cnn.h5", "--json");
    assert.equal(read.status, 0, read.stderr);
    assert.ok(JSON.parse(read.stdout).models[0].parameters > 0);
    const engines = run("engines");
    assert.match(engines.stdout, /onnxruntime/i);
    const missing = run("analyze", "nothing.py");
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /nothing\.py/);
    assert.equal(JSON.parse(await readFile(join(folder, "package.json"), "utf8")).private, true);
  });
});
