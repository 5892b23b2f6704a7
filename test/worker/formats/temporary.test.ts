import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { replaceFile, replaceFileWith } from "../../../src/worker/formats/files";
import { makeTemporaryFolder, temporaryName } from "../../../src/worker/formats/temporary";
import { temporaryFolder } from "./temporaryFolder";

/** The module's exports, in the code of another process. */
function imported(name: string): string {
  const { href } = pathToFileURL(join(import.meta.dirname, "../../../src/worker/formats", name));
  return `(await import(${JSON.stringify(href)})).default`;
}

const DAY_MS = 24 * 60 * 60 * 1000;

describe("temporary files of killed processes", () => {
  const at = temporaryFolder();
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const each of children.splice(0)) each.kill("SIGKILL");
  });

  /** Runs the code in a process of its own, waits until it prints a line, and gives that with a way to kill it. */
  async function child(code: string, file: string): Promise<{ line: string; kill(): Promise<void> }> {
    const started = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, FILE: file },
    });
    children.push(started);
    const [line] = (await once(started.stdout, "data")) as [Buffer];
    return {
      line: line.toString().trim(),
      async kill() {
        const ended = once(started, "exit");
        started.kill("SIGKILL");
        await ended;
      },
    };
  }

  const WRITES_FOREVER = `
    const { replaceFileWith } = ${imported("files.ts")};
    setInterval(() => {}, 1000);
    await replaceFileWith(process.env.FILE, async (handle) => {
      await handle.write("half");
      console.log("writing");
      await new Promise(() => {});
    });`;

  it("the next write into the folder removes a killed process's partial file, but not a running one's", async () => {
    const dead = await child(WRITES_FOREVER, at("model.safetensors"));
    const alive = await child(WRITES_FOREVER, at("other.safetensors"));
    assert.equal((await readdir(at("."))).length, 2);
    await replaceFile(at("a.txt"), "a");
    assert.equal((await readdir(at("."))).length, 3, "both live");
    await dead.kill();
    await replaceFile(at("a.txt"), "b");
    const left = await readdir(at("."));
    assert.deepEqual(left.map((name) => name.split(".")[0]).sort(), ["a", "other"]);
    await alive.kill();
    await replaceFile(at("a.txt"), "c");
    assert.deepEqual(await readdir(at(".")), ["a.txt"]);
  });

  it("a killed process's temporary folder is removed when the next one is made", async () => {
    const code = `
      const { makeTemporaryFolder } = ${imported("temporary.ts")};
      setInterval(() => {}, 1000);
      console.log(await makeTemporaryFolder());`;
    const { line: folder, kill } = await child(code, "");
    await writeFile(join(folder, "weights.bin"), "1");
    const whileAlive = await makeTemporaryFolder();
    assert.ok(existsSync(folder));
    await kill();
    const next = await makeTemporaryFolder();
    try {
      assert.ok(!existsSync(folder));
      assert.ok(existsSync(whileAlive), "this process's own stays");
      assert.equal(dirname(next), dirname(folder));
    } finally {
      await Promise.all([whileAlive, next].map((each) => rm(each, { recursive: true })));
    }
  });

  it("another host's partial file is kept until it has not changed for a day", async () => {
    const names = ["m.safetensors.00000000-999999999-0123abcd.tmp", "m.safetensors.999999999-0123abcd.tmp"];
    for (const name of names) await writeFile(at(name), "part");
    await replaceFile(at("a"), "");
    assert.deepEqual((await readdir(at("."))).sort(), ["a", ...names]);
    const long = new Date(Date.now() - DAY_MS - 60_000);
    for (const name of names) await utimes(at(name), long, long);
    await replaceFile(at("a"), "");
    assert.deepEqual(await readdir(at(".")), ["a"]);
  });

  it("a file with a running process's number is kept for a day only, since the number may have been reused", async () => {
    const name = basename(temporaryName("x"));
    await writeFile(at(name), "part");
    await replaceFile(at("a"), "");
    assert.ok(existsSync(at(name)));
    const long = new Date(Date.now() - DAY_MS - 60_000);
    await utimes(at(name), long, long);
    await replaceFile(at("a"), "");
    assert.ok(!existsSync(at(name)));
  });

  it("nothing else is removed: no other names, no links, and nothing outside of a folder of such a name", async () => {
    const own = basename(temporaryName("x")).replace(`-${process.pid}-`, "-999999999-");
    const kept = ["a.tmp", "b.999999999.tmp", "0123abcd-999999999-0123abcd.tmp", `${own}.txt`];
    for (const name of kept) await writeFile(at(name), "mine");
    await mkdir(at("elsewhere"));
    await writeFile(at("elsewhere/precious"), "");
    await symlink(at("elsewhere"), at(own));
    await replaceFileWith(at("z"), async () => undefined);
    assert.deepEqual((await readdir(at("."))).sort(), [...kept, own, "elsewhere", "z"].sort());
    assert.ok(existsSync(at("elsewhere/precious")));
  });
});
