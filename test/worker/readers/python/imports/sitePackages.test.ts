import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sitePackagesOf } from "../../../../../src/worker/readers/python/imports/sitePackages";

describe("site-packages of an interpreter", () => {
  let root: string;
  const put = (path: string, text = ""): string => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "lora-lens-site-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("is that of the version pyvenv.cfg names, with the folders its .pth files add", () => {
    const python = put("venv/bin/python");
    put("venv/pyvenv.cfg", "home = /nowhere/bin\nversion = 3.11.4\n");
    put("venv/lib/python3.12/site-packages/other.py");
    put("editable/src/mine.py");
    const missing = join(root, "missing");
    put(
      "venv/lib/python3.11/site-packages/__editable__.mine.pth",
      `# mine\nimport os; os.system("x")\n${join(root, "editable/src")}\n${missing}\n`,
    );
    const expected = [join(root, "venv/lib/python3.11/site-packages"), join(root, "editable/src")];
    assert.deepEqual(sitePackagesOf(python), expected);
    assert.deepEqual(sitePackagesOf(join(root, "venv")), expected);
  });

  it("adds the system's only when the environment shares them", () => {
    const python = put("venv/bin/python");
    put("venv/lib/python3.11/site-packages/a.py");
    put("system/lib/python3.11/site-packages/b.py");
    const settings = `home = ${join(root, "system/bin")}\nversion = 3.11.4\ninclude-system-site-packages = `;
    const own = join(root, "venv/lib/python3.11/site-packages");
    put("venv/pyvenv.cfg", `${settings}false\n`);
    assert.deepEqual(sitePackagesOf(python), [own]);
    put("venv/pyvenv.cfg", `${settings}true\n`);
    assert.deepEqual(sitePackagesOf(python), [own, join(root, "system/lib/python3.11/site-packages")]);
  });

  it("is Lib/site-packages in Windows' layouts", () => {
    put("conda/Lib/site-packages/a.py");
    const expected = [join(root, "conda/Lib/site-packages")];
    assert.deepEqual(sitePackagesOf(put("conda/python.exe")), expected);
    assert.deepEqual(sitePackagesOf(put("conda/Scripts/python.exe")), expected);
  });

  it("is nothing for an interpreter that is not there", () => {
    assert.deepEqual(sitePackagesOf(join(root, "bin/python")), []);
  });
});
