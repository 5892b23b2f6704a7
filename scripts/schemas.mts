/** `npm run schemas`: writes schemas/, a JSON Schema of what each command prints with --json, from the types. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outputSchemas, SCHEMAS } from "./outputSchemas";

// Of a command that is gone there is no schema.
await rm(SCHEMAS, { recursive: true, force: true });
await mkdir(SCHEMAS);
for (const [name, text] of outputSchemas()) {
  await writeFile(join(SCHEMAS, name), text);
  process.stdout.write(`schemas/${name}\n`);
}
