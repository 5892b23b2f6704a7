import assert from "node:assert/strict";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import * as path from "node:path";
import {
  insideFolder,
  makeFolder,
  readJsonObject,
  readText,
  replaceFile,
  replaceFileWith,
} from "../../../src/worker/formats/files";
import { temporaryFolder } from "./temporaryFolder";

describe("files", () => {
  const at = temporaryFolder();

  it("replaces a file at once, and keeps the old one when writing fails", async () => {
    await replaceFile(at("a.txt"), "old");
    await replaceFile(at("a.txt"), new TextEncoder().encode("new"));
    assert.equal(await readFile(at("a.txt"), "utf8"), "new");
    const failing = replaceFileWith(at("a.txt"), async (handle) => {
      await handle.write("half");
      assert.equal(await readFile(at("a.txt"), "utf8"), "new");
      throw new Error("stop");
    });
    await assert.rejects(failing, /stop/);
    assert.equal(await readFile(at("a.txt"), "utf8"), "new");
    assert.deepEqual(await readdir(at(".")), ["a.txt"]);
  });

  it("replaces a symbolic link itself, not what it points at", async () => {
    await writeFile(at("target"), "target");
    await symlink(at("target"), at("link"));
    await replaceFile(at("link"), "link");
    assert.equal(await readFile(at("target"), "utf8"), "target");
    assert.equal(await readFile(at("link"), "utf8"), "link");
  });

  it("accepts names inside a folder", async () => {
    await mkdir(at("out"));
    assert.equal(await insideFolder(at("out"), "a/b.txt"), path.resolve(at("out"), "a/b.txt"));
    assert.equal(await insideFolder(at("out"), "..a"), path.resolve(at("out"), "..a"));
    assert.equal(await insideFolder(at("out"), "a/../b"), path.resolve(at("out"), "b"));
  });

  it("refuses names outside a folder, by any way out", async () => {
    await mkdir(at("out"));
    await mkdir(at("out-side"));
    await symlink(at("out-side"), at("out/link"));
    for (const name of [
      "../a",
      "..",
      ".",
      "",
      "a/../../b",
      "/etc/passwd",
      "C:\\a",
      "../out-side/a",
      "link/a",
      "a\0b",
    ]) {
      await assert.rejects(insideFolder(at("out"), name), { name: "UserError" }, JSON.stringify(name));
    }
  });

  it("makes folders, and says when a file is in the way", async () => {
    await makeFolder(at("a/b"));
    await makeFolder(at("a/b"));
    await writeFile(at("file"), "");
    await assert.rejects(makeFolder(at("file/a")), { name: "UserError", message: /a file where a folder is needed/ });
    await assert.rejects(makeFolder(at("file")), { name: "UserError", message: /a file where a folder is needed/ });
    await assert.rejects(replaceFile(at("none/a"), ""), { name: "UserError", message: /folder of .* does not exist/ });
    await assert.rejects(readText(at("."), 10, ""), { name: "UserError" });
  });

  it("limits the size of what it reads, and reports invalid text and JSON", async () => {
    await writeFile(at("a"), "12345");
    await assert.rejects(
      readText(at("a"), 4, "short files only"),
      /5 bytes, more than the 4 allowed: short files only/,
    );
    await writeFile(at("a"), Uint8Array.of(0xff, 0xfe));
    await assert.rejects(readText(at("a"), 4, ""), /is not UTF-8 text/);
    await writeFile(at("a"), "[1]");
    await assert.rejects(readJsonObject(at("a"), 4, ""), /must hold a JSON object/);
    await writeFile(at("a"), "{a}");
    await assert.rejects(readJsonObject(at("a"), 4, ""), /is not valid JSON/);
  });
});
