import { dataclassFields } from "../../evaluate/objects/dataclasses";
import type { Definition } from "../../evaluate/scope";
import { simpleNamespace } from "../../libraries/stdlib";
import { findMember } from "../../values/members";
import { builtinClass } from "../../values/types";
import { type PyClass, PyFunction, PyObject } from "../../values/values";
import { asRecord, type ConfigFile, pythonValue } from "./configFile";

/** How a configuration file's fields map to a configuration class. */

/**
 * The fields for the class's model type: the file's own, or those of a part such as `text_config`. Calls `report` with
 * the reason when there are none.
 */
export function fieldsFor(
  { fields, name }: ConfigFile,
  type: PyClass,
  report: (why: string) => void,
): Record<string, unknown> | undefined {
  const [wanted, given] = [findMember(type, "model_type"), fields.model_type];
  if (typeof wanted !== "string" || wanted === "" || typeof given !== "string" || wanted === given) return fields;
  const below = Object.values(fields)
    .map(asRecord)
    .find((part) => part?.model_type === wanted);
  const key = findMember(type, "base_config_key");
  const part = below ?? (typeof key === "string" && key !== "" ? asRecord(fields[key]) : undefined);
  if (!part)
    report(`${name} is for model type "${given}"; ${type.name} is for "${wanted}", so its values are not used`);
  return part;
}

/** Names that the class's constructor takes; undefined when it takes any. */
export function acceptedBy(type: PyClass): Set<string> | undefined {
  const fields = dataclassFields(type);
  const init = findMember(type, "__init__");
  if (init instanceof PyFunction) {
    const { params } = init.definition as Definition;
    if (params.some((p) => p.kind === "doubleStar")) return undefined;
    return new Set(params.slice(1).map((p) => p.name));
  }
  // transformers' configurations are data classes whose constructor takes further names.
  if (!fields || type.mro.some((c) => c.name === "PreTrainedConfig")) return undefined;
  return new Set(fields.filter((f) => f.init).map((f) => f.name));
}

/** What a configuration file gives a model whose configuration class was not found: its defaults are unknown. */
const fileNamespace = builtinClass("SimpleNamespace", [simpleNamespace]);
fileNamespace.missing = (name) => `the configuration file has no ${name}, and no configuration class was found`;

export function namespaceOf(fields: Record<string, unknown>): PyObject {
  const object = new PyObject(fileNamespace, undefined);
  for (const [key, value] of Object.entries(fields)) {
    const inner = asRecord(value);
    object.attributes.set(key, inner ? namespaceOf(inner) : pythonValue(value));
  }
  return object;
}
