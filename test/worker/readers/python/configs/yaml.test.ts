import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Data,
  DataDict,
  DataList,
  type Dialect,
  Refused,
} from "../../../../../src/worker/readers/python/configs/data";
import { parseJson } from "../../../../../src/worker/readers/python/configs/json";
import { plainScalar } from "../../../../../src/worker/readers/python/configs/scalars";
import { parseYaml } from "../../../../../src/worker/readers/python/configs/yaml";
import { Unknown } from "../../../../../src/worker/readers/python/values/unknown";
import { PyFloat } from "../../../../../src/worker/readers/python/values/values";
import { fixtures } from "../reading";

type Read = ["int" | "float" | "bool" | "str" | "NoneType", unknown] | "date" | "error" | "other";

function shown(data: Data): Read {
  if (data instanceof Unknown) return "date";
  if (data instanceof PyFloat) return ["float", Number.isFinite(data.value) ? data.value : String(data.value)];
  if (data === null) return ["NoneType", null];
  return [typeof data === "number" ? "int" : typeof data === "boolean" ? "bool" : "str", data];
}

/** JavaScript's words for what is no finite number. */
const inWords = (read: Read): Read =>
  Array.isArray(read) && read[0] === "float" && typeof read[1] === "string"
    ? ["float", read[1] === "nan" ? "NaN" : read[1].replace("inf", "Infinity")]
    : read;

/** As plain objects. */
function plain(data: Data | Refused): unknown {
  if (data instanceof Refused) return `refused: ${data.why}`;
  if (data instanceof DataList) return data.items.map(plain);
  if (data instanceof DataDict)
    return Object.fromEntries([...data.entries.values()].map(({ key, value }) => [String(key), plain(value)]));
  if (data instanceof PyFloat) return `float ${data.value}`;
  return data instanceof Unknown ? `unknown: ${data.reason}` : data;
}

const yaml = (text: string, dialect: Dialect = "pyyaml"): unknown => plain(parseYaml(text, "c.yaml", dialect));

describe("YAML as Python's libraries read it", () => {
  const known = JSON.parse(readFileSync(join(fixtures, "yaml/scalars.json"), "utf8"));
  for (const dialect of ["pyyaml", "omegaconf"] as const) {
    it(`gives plain scalars the types that ${dialect} gives them`, () => {
      const entries = Object.entries(known[dialect] as Record<string, Read>);
      assert.ok(entries.length > 100);
      for (const [text, read] of entries) {
        // The list item around it is no scalar: syntax, or a nested list.
        if (read === "error" || read === "other") continue;
        const big = text === "9007199254740993";
        if (big) assert.ok(plainScalar(text, dialect) instanceof Unknown);
        else assert.deepEqual(shown(plainScalar(text, dialect)), inWords(read), text);
      }
    });
  }

  it("merges mappings, of several the first, with the mapping's own keys before all", () => {
    const text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  z: 5\n  <<: [*a, *b]\nd: {<<: *a, y: '7'}\n";
    const { c, d } = yaml(text) as Record<string, unknown>;
    assert.deepEqual(c, { x: 1, y: 2, z: 5 });
    assert.deepEqual(d, { x: 1, y: "7" });
  });

  it("takes the last of two same keys, which OmegaConf refuses", () => {
    assert.deepEqual(yaml("a: 1\na: 2\n"), { a: 2 });
    assert.equal(yaml("a: 1\na: 2\n", "omegaconf"), "refused: it has the key a twice");
  });

  it("follows YAML's own tags, and no others", () => {
    assert.deepEqual(yaml("a: !!float 3\nb: !!str 4\nc: !!python/tuple [1, 2]\nd: !!int '7'\n"), {
      a: "float 3",
      b: "4",
      c: [1, 2],
      d: 7,
    });
    const { a } = yaml("a: !!python/object/apply:os.system ['true']\nb: 1\n") as Record<string, string>;
    assert.match(a!, /^unknown: the tag .*os\.system is not followed$/);
  });

  it("refuses what is broken, too deep, too much or several documents, and says why", () => {
    assert.match(String(yaml("a: [1, 2\nb: }")), /^refused: it is not YAML \(.*line \d+\)$/);
    assert.match(String(yaml("[".repeat(200))), /^refused: /);
    for (const opening of ["[", "{", "- ", "? ", "[{a: "])
      assert.equal(yaml(opening.repeat(100_000)), "refused: it is nested too deeply");
    assert.match(String(yaml(`${"[".repeat(100)}${"]".repeat(100)}`)), /more than 64 levels deep/);
    assert.equal(yaml("a: 1\n---\nb: 2\n"), "refused: it holds several documents");
    assert.match(String(yaml("a: *b\n")), /^refused: /);
    assert.match(String(yaml("a:\n  <<: 3\n")), /the value merged by << is not a mapping/);
    assert.equal(yaml(""), null);
    assert.deepEqual(yaml("a: &x [*x]\n"), { a: ["unknown: *x refers to itself"] });
  });

  it("shares what aliases repeat, and counts what merges copy", () => {
    const names = [..."abcdefghijkl"];
    const lines = names.map(
      (name, i) =>
        `${name}: &${name} [${
          i === 0
            ? "1"
            : Array(9)
                .fill(`*${names[i - 1]}`)
                .join(", ")
        }]`,
    );
    const data = parseYaml(lines.join("\n"), "c.yaml", "pyyaml");
    assert.ok(data instanceof DataDict);
    const last = data.get("l") as DataList;
    assert.equal(last.items[0], last.items[8]);
    const keys = Array.from({ length: 2000 }, (_, i) => `k${i}: 1`).join(", ");
    const bomb = `a: &a {${keys}}\n${Array.from({ length: 90 }, (_, i) => `m${i}: {<<: *a}`).join("\n")}\n`;
    assert.equal(yaml(bomb), "refused: its merges (<<) are too large");
  });

  it("reads JSON as Python does, floats as floats", () => {
    const json = (text: string) => plain(parseJson(text, "c.json"));
    assert.deepEqual(json('{"a": 1.0, "b": 1, "c": "1.0", "d": [1e2, -0.5, NaN, -Infinity], "e": "NaN"}'), {
      a: "float 1",
      b: 1,
      c: "1.0",
      d: ["float 100", "float -0.5", "float NaN", "float -Infinity"],
      e: "NaN",
    });
    assert.deepEqual(json("[1, 2]"), [1, 2]);
    assert.match(String(json("{")), /^refused: it is not JSON/);
    assert.match(String(json("[".repeat(100) + "]".repeat(100))), /more than 64 levels deep/);
  });
});
