import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";

export const SCHEMAS = join(__dirname, "../../../schemas");

/** Strict: a keyword that ajv does not know is an error, so that none is silently without effect. */
const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
const validators = new Map<string, ValidateFunction>();

/** What is wrong with an output of a command by its schema, one line each; none when it fits. */
export function mistakes(command: string, output: unknown): string[] {
  let validate = validators.get(command);
  if (!validate) {
    validate = ajv.compile(JSON.parse(readFileSync(join(SCHEMAS, `${command}.json`), "utf8")) as object);
    validators.set(command, validate);
  }
  if (validate(output)) return [];
  return validate.errors!.map(
    ({ instancePath, message, params }) => `${instancePath || "/"} ${message} ${JSON.stringify(params)}`,
  );
}
