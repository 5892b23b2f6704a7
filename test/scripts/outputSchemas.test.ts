import { strict as assert } from "node:assert";
import { outputSchemas, writtenSchemas } from "../../scripts/outputSchemas";
import { COMMANDS } from "../../src/worker/cli/commands/registry";

interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly additionalProperties?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Every object in a schema, with its place: "/definitions/Place/properties/line". */
function parts(value: unknown, place = ""): [string, Schema][] {
  if (typeof value !== "object" || value === null) return [];
  const below = Object.entries(value).flatMap(([key, part]) => parts(part, `${place}/${key}`));
  return Array.isArray(value) ? below : [[place, value], ...below];
}

describe("schemas of the command line's output", () => {
  let written: Map<string, string>;
  before(async () => {
    written = await writtenSchemas();
  });
  const schemas = () => [...written].map(([name, text]) => [name, JSON.parse(text) as Schema] as const);

  it("are those of the types, as `npm run schemas` writes them", () => {
    const declared = outputSchemas();
    for (const [name, text] of declared)
      assert.equal(written.get(name), text, `schemas/${name} is not what its type says: run \`npm run schemas\``);
    assert.deepEqual([...written.keys()], [...declared.keys()].sort());
  }).timeout(60_000);

  it("are there for each command, and for nothing else", () => {
    const names = Object.keys(COMMANDS).map((command) => `${command}.json`);
    assert.deepEqual([...written.keys()], names.sort());
  });

  it("describe each field, and allow no others", () => {
    for (const [name, schema] of schemas()) {
      for (const [place, { type, properties, additionalProperties }] of parts(schema)) {
        if (type === "object") assert.equal(additionalProperties, false, `${name}${place} allows any field`);
        for (const [field, { description }] of Object.entries(type === "object" ? (properties ?? {}) : {}))
          assert.ok(description, `${name}${place}: ${field} has no description; its type's field wants a comment`);
      }
    }
  });
});
