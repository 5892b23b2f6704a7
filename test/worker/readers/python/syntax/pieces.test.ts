import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Stmt } from "../../../../../src/worker/readers/python/syntax/ast";
import { parse } from "../../../../../src/worker/readers/python/syntax/parse";
import { KeptPieces } from "../../../../../src/worker/readers/python/syntax/pieces";
import { Source } from "../../../../../src/worker/readers/python/syntax/source";

const kept = new KeptPieces();
const EXAMPLE = readFileSync(join(__dirname, "../../../../../examples/transformer/model.py"), "utf8");

/** The statements with lines and columns in place of offsets. */
async function placed(text: string, file?: string): Promise<unknown> {
  const module = await parse(text, {
    pieces: file !== undefined,
    edited: file === undefined ? undefined : { file, kept },
  });
  const source = new Source("f.py", text).inPieces(module.pieces ?? []);
  const place = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(place);
    if (typeof value !== "object" || value === null) return value;
    const rest = Object.entries(value).filter(([key]) => key !== "start" && key !== "end");
    const fields = Object.fromEntries(rest.map(([key, inner]) => [key, place(inner)]));
    return "start" in value && "end" in value
      ? { ...fields, at: source.place(value as Stmt), text: source.textOf(value as Stmt) }
      : fields;
  };
  return { body: place(module.body), errors: place(module.errors) };
}

describe("an open file, parsed in pieces", function () {
  this.timeout(120_000);

  it("has the statements, texts and places that the whole has", async () => {
    assert.deepEqual(await placed(EXAMPLE, "/whole.py"), await placed(EXAMPLE));
  });

  it("parses only the edited pieces again", async () => {
    const edited = EXAMPLE.replace("self.n_heads = n_heads", "self.n_heads = 2 * n_heads");
    const before = await parse(EXAMPLE, { pieces: true, edited: { file: "/edited.py", kept } });
    const after = await parse(edited, { pieces: true, edited: { file: "/edited.py", kept } });
    assert.equal(after.body.length, before.body.length);
    const changed = after.body.filter((statement, i) => statement !== before.body[i]);
    assert.deepEqual(
      changed.map((statement) => statement.kind === "Class" && statement.name),
      ["SelfAttention"],
    );
  });

  it("gives after any edits the same as parsing its text alone", async () => {
    const lines = EXAMPLE.split("\n");
    const edit = fc.record({
      at: fc.nat(lines.length - 1),
      remove: fc.nat(3),
      insert: fc.array(
        fc.constantFrom("", "class A:", "    x = 1", "@decorated", "def f(a):", "# note", "y = [", ")"),
        {
          maxLength: 3,
        },
      ),
    });
    let file = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
        const now = [...lines];
        const name = `/random${file++}.py`;
        for (const { at, remove, insert } of edits) {
          now.splice(at, remove, ...insert);
          const text = now.join("\n");
          const fresh = await placed(text, `${name}.fresh`);
          assert.deepEqual(await placed(text, name), fresh);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("keeps spans in the text's order however often pieces are inserted at one place", async () => {
    const definitions = ["def first(): pass\n", "def last(): pass\n"];
    for (let i = 0; i < 400; i++) definitions.splice(1, 0, `def f${i}(): return ${i}\n`);
    for (let count = 2; count <= definitions.length; count++) {
      const text = [definitions[0], ...definitions.slice(definitions.length - count + 1)].join("");
      const { body } = await parse(text, { pieces: true, edited: { file: "/inserted.py", kept } });
      assert.equal(body.length, count);
      for (let i = 1; i < body.length; i++) assert.ok(body[i - 1]!.end <= body[i]!.start);
    }
  });

  it("reports a syntax error at its place, also after the piece has moved", async () => {
    const broken = "class A:\n    x = (1\n\ndef f():\n    return 1\n";
    for (const text of [broken, `import torch\n\n${broken}`]) {
      const { errors } = (await placed(text, "/broken.py")) as { errors: { at: { line: number } }[] };
      assert.ok(errors.length > 0);
      const line = text.split("\n").findIndex((l) => l.includes("(1")) + 1;
      assert.ok(
        errors.every(({ at }) => at.line === line || at.line === line + 1),
        JSON.stringify(errors),
      );
    }
  });
});
