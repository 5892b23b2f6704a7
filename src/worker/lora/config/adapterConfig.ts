import { UserError } from "../../formats/errors";
import { isObject, readJsonObject, replaceFile } from "../../formats/files";
import { VARIANTS } from "../variants/registry";
import { loraConfig, type SavedConfig } from "./config";
import { setFeatures, shown, unsupported } from "./features";

/** PEFT's `adapter_config.json`: read with its defaults and checked, written as PEFT writes it. */

/** PEFT's own default, for a file that does not say; new adapters here take 2r. */
const PEFT_ALPHA = 8;

const MAX_CONFIG_BYTES = 1_000_000;

/** Reads and checks a configuration. Throws a UserError that names the wrong field and its allowed values. */
export async function readAdapterConfig(file: string): Promise<SavedConfig> {
  const fields = await readJsonObject(file, MAX_CONFIG_BYTES, "an adapter's configuration is far smaller");
  const bad = (why: string) => new UserError(`${file}: ${why}`, { file });

  if (fields.peft_type === undefined) throw bad('it has no "peft_type"; it is not the configuration of a PEFT adapter');
  if (fields.peft_type !== "LORA")
    throw bad(`peft_type ${shown(fields.peft_type)} is not supported; it must be "LORA"`);
  const alone = setFeatures(fields).find((field) => !VARIANTS.some((variant) => variant.fields.includes(field)));
  if (alone !== undefined) throw bad(unsupported(alone, fields[alone]));

  const { r = 8, lora_alpha = PEFT_ALPHA, lora_dropout = 0, use_rslora = false } = fields;
  if (typeof r !== "number" || !Number.isInteger(r) || r < 1)
    throw bad(`r is ${shown(r)}; it must be a whole number, 1 or more`);
  if (typeof lora_alpha !== "number" || !Number.isFinite(lora_alpha)) {
    throw bad(`lora_alpha is ${shown(lora_alpha)}; it must be a number`);
  }
  if (typeof lora_dropout !== "number" || !(lora_dropout >= 0 && lora_dropout < 1)) {
    throw bad(`lora_dropout is ${shown(lora_dropout)}; it must be a probability from 0 to below 1`);
  }
  if (typeof use_rslora !== "boolean") throw bad(`use_rslora is ${shown(use_rslora)}; it must be true or false`);
  const { target_modules = null, exclude_modules = null } = fields;
  if (target_modules !== null && !isSelection(target_modules)) {
    throw bad(
      `target_modules is ${shown(target_modules)}; it must be a list of names, a regular expression, "all-linear", or null for PEFT's default`,
    );
  }
  if (exclude_modules !== null && !isSelection(exclude_modules)) {
    throw bad(`exclude_modules is ${shown(exclude_modules)}; it must be a list of names or a regular expression`);
  }
  const known = { peft_type: "LORA", r, lora_alpha, lora_dropout, use_rslora, exclude_modules } as const;
  return { ...loraConfig({ ...fields, ...known, target_modules: [] }), target_modules };
}

function isSelection(value: unknown): value is string | readonly string[] {
  return typeof value === "string" || (Array.isArray(value) && value.every((name) => typeof name === "string"));
}

/** Writes a configuration: keys sorted, two spaces. Fields that are not known here are kept. */
export function writeAdapterConfig(file: string, config: SavedConfig): Promise<void> {
  return replaceFile(file, `${JSON.stringify(sorted(config), null, 2)}\n`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
