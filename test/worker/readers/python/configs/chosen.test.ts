import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { writeFiles } from "../reading";

describe("a configuration file that somebody chose", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-chosen-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** `params` and `fc` of a class Net; the file chosen for it. */
  const readAll = async (params: string, linear: string, config: string, name = "sizes.json", more = "") => {
    const text = `from torch import nn\n${more}\nclass Net(nn.Module):\n    def __init__(self, ${params}):\n        super().__init__()\n        self.fc = nn.Linear(${linear})\n`;
    writeFiles(folder, { "net.py": text, [name]: config });
    const file = join(folder, name);
    const opened = await openModelFile(join(folder, "net.py"), undefined, { configuration: { source: "json", file } });
    const model = opened.models.find(({ className }) => className === "Net")!;
    const fc = [...walkModules(model.root)].find(({ kind }) => kind === "Linear");
    return {
      sizes: `${fc?.inFeatures}→${fc?.outFeatures} from ${model.configuration?.label}`,
      note: opened.problems.map(({ message }) => message),
      errors: opened.problems.filter(({ severity }) => severity === "error").map(({ message }) => message),
    };
  };
  const read = async (...given: Parameters<typeof readAll>) => {
    const { sizes, errors } = await readAll(...given);
    return { sizes, errors };
  };
  const JSON_SIZES = '{"width": 12, "classes": 5}';

  for (const name of ["config", "cfg", "args", "hparams", "params", "opt", "spec", "h"]) {
    it(`goes to a parameter called ${name}, by attribute and by subscript`, async () => {
      const attributes = await read(name, `${name}.width, ${name}.classes`, JSON_SIZES);
      assert.deepEqual(attributes, { sizes: "12→5 from sizes.json", errors: [] });
      const subscripts = await read(name, `${name}["width"], ${name}['classes']`, JSON_SIZES);
      assert.deepEqual(subscripts, { sizes: "12→5 from sizes.json", errors: [] });
    });
  }

  it("fills the parameter that the code reads entries of, and parameters named like its entries", async () => {
    const found = await read("vocab, hparams, dropout=0.1", "hparams.width, vocab", '{"width": 12, "vocab": 99}');
    assert.deepEqual(found, { sizes: "12→99 from sizes.json", errors: [] });
    assert.deepEqual(await read("width, classes=2", "width, classes", JSON_SIZES), {
      sizes: "12→5 from sizes.json",
      errors: [],
    });
    assert.deepEqual(await read("width=1, classes=2", "width, classes", '{"width": 12, "other": 3}'), {
      sizes: "12→2 from sizes.json",
      errors: [],
    });
  });

  it("may hold the model's values in a part of it, and be handed on under another name", async () => {
    const nested = '{"data": {"path": "x"}, "model": {"width": 12, "classes": 5}}';
    assert.deepEqual(await read("params", "params.width, params.classes", nested), {
      sizes: "12→5 from sizes.json",
      errors: [],
    });
    const helper = "def size(o):\n    return o.width\n";
    assert.deepEqual(await read("opts", "size(opts), 3", JSON_SIZES, "sizes.json", helper), {
      sizes: "12→3 from sizes.json",
      errors: [],
    });
  });

  it("may be YAML, with anchors and interpolations, and name the class by _target_", async () => {
    const yaml = "base: &b {width: 12}\nmodel:\n  <<: *b\n  classes: 5\n";
    const found = await read("cfg", "cfg.width, cfg.classes", `${yaml}`, "c.yaml");
    assert.equal(found.sizes, "12→5 from c.yaml");
    const interpolated = "n: 7\nwidth: $" + "{n}\nclasses: 5\n";
    assert.equal((await read("width, classes", "width, classes", interpolated, "c.yml")).sizes, "7→5 from c.yml");
    const target = "net:\n  _target_: some.net.Net\n  w: 12\n  c: 5\n";
    assert.equal((await read("w=1, c=2", "w, c", target, "c.yaml")).sizes, "12→5 from c.yaml");
  });

  it("that fits no parameter is an error that lists the parameters and its entries", async () => {
    const { sizes, errors } = await read("a, b", "a, b", JSON_SIZES);
    assert.equal(sizes, "undefined→undefined from undefined");
    assert.equal(errors.length, 1);
    assert.match(
      errors[0]!,
      /sizes\.json was chosen as the configuration, but no model in this file takes its parameters from it: it holds width, classes, and the classes are Net\(a, b\)\./,
    );
    assert.match(
      (await read("a=1, b=2", "a, b", JSON_SIZES)).errors.join(),
      /no model in this file takes its parameters from it/,
    );
    assert.match((await read("", "1, 2", JSON_SIZES)).errors.join(), /the classes are Net\(\)\./);
  });

  it("that cannot be read, or that the class refuses, is an error", async () => {
    const broken = await read("cfg", "cfg.width, 2", "a: [", "c.yaml");
    assert.match(broken.errors.join(), /c\.yaml is not used as the model's configuration: it is not YAML/);
    const missing = await readAll("cfg", "cfg.width, cfg.depth", JSON_SIZES);
    assert.match(missing.note.join(), /the configuration file has no depth/);
    const refused = await read("width=1, classes=2", "1 // (width - 12), classes", JSON_SIZES);
    assert.match(refused.errors.join(), /ZeroDivisionError/);
  });
});
