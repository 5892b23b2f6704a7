import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createGenerator, type Schema } from "ts-json-schema-generator";
import { root } from "./build.mjs";

/** Folder of the schemas, in git and in the npm package. */
export const SCHEMAS = join(root, "schemas");

/** Declares what each command prints. */
const DECLARED = "src/worker/cli/outputs.ts";
const DEFINITION = "#/definitions/";

/** The text of each schema's file by its name: "layers.json" for what `lora-lens layers --json` prints. */
export function outputSchemas(): Map<string, string> {
  const { properties, definitions } = createGenerator({
    path: join(root, DECLARED),
    tsconfig: join(root, "tsconfig.json"),
    type: "Outputs",
    // TypeScript 7 has checked them; the generator brings an older one.
    skipTypeCheck: true,
    topRef: false,
    // As declared, which is how people look for them.
    sortProps: false,
  }).createSchema("Outputs");
  const outputs = Object.entries((properties ?? {}) as Record<string, Schema>);
  return new Map(
    outputs.map(([command, output]) => [`${command}.json`, schemaText(command, output, definitions ?? {})]),
  );
}

/** The schema of one command's output, with the definitions that it leads to and no others. */
function schemaText(command: string, output: Schema, definitions: NonNullable<Schema["definitions"]>): string {
  const definition = (name: string) => definitions[name] as Schema;
  const used = new Set<string>();
  const visit = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return;
    for (const [key, value] of Object.entries(part)) {
      if (key !== "$ref") visit(value);
      else if (!used.has(nameOf(value))) {
        used.add(nameOf(value));
        visit(definition(nameOf(value)));
      }
    }
  };
  const whole = output.$ref === undefined ? output : definition(nameOf(output.$ref));
  visit(whole);
  const { description, ...rest } = whole;
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `lora-lens ${command} --json`,
    description,
    ...rest,
    definitions: Object.fromEntries([...used].map((name) => [name, definition(name)])),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function nameOf(reference: string): string {
  return decodeURIComponent(reference.slice(DEFINITION.length));
}

/** The text of each file that lies in the folder now, by name; none where there is no folder. */
export async function writtenSchemas(): Promise<Map<string, string>> {
  const names = await readdir(SCHEMAS).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return new Map(
    await Promise.all(
      names.sort().map(async (name) => [name, await readFile(join(SCHEMAS, name), "utf8")] as [string, string]),
    ),
  );
}
