import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PatternError, pythonRegExp } from "../../../src/worker/text/pythonRegExp";

interface Case {
  readonly pattern: string;
  /** Why Python refuses it. */
  readonly error?: string;
  /** A digit a text: whether all of it matches. */
  readonly fullmatch: string;
  /** Of the first match in each text, by code points; 0 for none. */
  readonly search: readonly (readonly [number, number] | 0)[];
  readonly groups: readonly (readonly (string | null)[] | 0)[];
}

/** What Python's re does (test/fixtures/formats/make_patterns.py). */
const { texts, cases }: { texts: readonly string[]; cases: readonly Case[] } = JSON.parse(
  readFileSync(join(__dirname, "../../fixtures/formats/patterns.json"), "utf8"),
);

/** What JavaScript cannot do, by the words of the refusal. */
const UNSUPPORTED: Readonly<Record<string, RegExp>> = {
  "(?:(a)|b)\\1": /a reference to the group 1, which may not take part in a match/,
  "(a)|b\\1": /a reference to the group 1, which may not take part in a match/,
  "(a)?\\1b": /a reference to the group 1, which may not take part in a match/,
  "(a)?(?(1)b|c)": /a conditional on a group/,
  "\\N{LATIN SMALL LETTER A}": /a character by its Unicode name/,
};

/** Up to 3.13, and then no more, Python found no \B in an empty text. */
const skips = (pattern: string, text: string) => text === "" && pattern.includes("\\B");

describe("Python's regular expressions", () => {
  it("are all covered by the fixture", () => {
    assert.ok(cases.length > 190 && texts.length > 50);
    const known = new Set(cases.map(({ pattern }) => pattern));
    for (const pattern of Object.keys(UNSUPPORTED)) assert.ok(known.has(pattern), pattern);
  });

  it("that Python refuses are refused as invalid, with a reason", () => {
    for (const { pattern } of cases.filter(({ error }) => error !== undefined)) {
      // Its group does not exist, which is said first where the choice is known.
      if (pattern === "(?(1)a|b)") continue;
      assert.throws(
        () => pythonRegExp(pattern),
        (error: unknown) => {
          assert.ok(error instanceof PatternError, `${pattern}: ${error}`);
          assert.equal(error.invalid, true, `${pattern}: ${error.message}`);
          return true;
        },
        pattern,
      );
    }
  });

  it("with features that JavaScript lacks are refused by the feature's name", () => {
    for (const [pattern, message] of Object.entries(UNSUPPORTED)) {
      assert.throws(
        () => pythonRegExp(pattern),
        (error: unknown) => {
          assert.ok(error instanceof PatternError && !error.invalid, pattern);
          assert.match(error.message, message);
          return true;
        },
      );
    }
  });

  const tried = cases.filter(({ pattern, error }) => error === undefined && !Object.hasOwn(UNSUPPORTED, pattern));

  it("match whole texts as re.fullmatch does", () => {
    for (const { pattern, fullmatch } of tried) {
      const { source, flags } = pythonRegExp(pattern);
      const whole = new RegExp(`^(?:${source})$`, flags);
      texts.forEach((text, i) => {
        if (skips(pattern, text)) return;
        assert.equal(whole.test(text), fullmatch[i] === "1", `${pattern} as ${whole} on ${JSON.stringify(text)}`);
      });
    }
  });

  it("find what re.search finds, with its groups", () => {
    for (const { pattern, search, groups } of tried) {
      const { source, flags, extraGroups } = pythonRegExp(pattern);
      const expression = new RegExp(source, flags);
      texts.forEach((text, i) => {
        if (skips(pattern, text)) return;
        const found = expression.exec(text);
        const what = `${pattern} as ${expression} on ${JSON.stringify(text)}`;
        const points = (units: number) => [...text.slice(0, units)].length;
        const span = found && [points(found.index), points(found.index + found[0].length)];
        assert.deepEqual(span ?? 0, search[i], what);
        if (found && !extraGroups)
          assert.deepEqual(
            [...found].slice(1).map((group) => group ?? null),
            groups[i],
            what,
          );
      });
    }
  });

  it("take flags from outside the pattern", () => {
    const matches = (pattern: string, flags: object, text: string) => {
      const translated = pythonRegExp(pattern, flags);
      return new RegExp(`^(?:${translated.source})$`, translated.flags).test(text);
    };
    assert.equal(matches("fc", { ignoreCase: true }, "FC"), true);
    assert.equal(matches("f c # name", { verbose: true }, "fc"), true);
    assert.equal(matches("a.b", { dotAll: true }, "a\nb"), true);
    assert.equal(matches("a$\n^b", { multiline: true }, "a\nb"), true);
    assert.equal(matches("\\w", { ascii: true }, "é"), false);
  });

  it("end with a refusal where they are too long or too deep", () => {
    assert.throws(() => pythonRegExp("a".repeat(20_001)), /more than 20000 characters/);
    assert.throws(() => pythonRegExp("(".repeat(5000)), /more than 100 deep/);
    assert.throws(() => pythonRegExp("a{2147483649}"), /more than 2147483647 repeats/);
  });
});
