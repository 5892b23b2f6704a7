import type { Problem, SearchedFolder } from "../../model";
import type { Given } from "../evaluate/run/classes";
import { mapUnknown } from "../usage/constructions";
import { Unknown } from "../values/unknown";
import type { PyClass, Value } from "../values/values";

/** Problems of a class whose constructor's arguments are not all known. */

/** `others` are configurations that turned out to be none of the class. */
export function nothingConstructs(
  type: PyClass,
  names: readonly string[],
  searched: SearchedFolder | undefined,
  others: readonly string[],
): Problem {
  const [has, them] = names.length === 1 ? ["it has", "a known value"] : ["they have", "known values"];
  const where = `this file${searched ? ` or its ${searched.deep ? "project" : "folder"}` : ""}`;
  const wrong =
    others.length > 0 ? `. ${others.join(" or ")} was tried, but lacks attributes that ${type.name} reads` : "";
  return note(type, names, `${has} no default and nothing in ${where} constructs ${type.name} with ${them}${wrong}`);
}

/** `where` says in words which code constructs it. */
export function constructedPartly(type: PyClass, given: Given, where: string): Problem {
  const unknown = new Map<string, string>();
  mapUnknown(type, given, (name, value) => {
    unknown.set(name, value.reason);
    return value;
  });
  const what = unknown.size === 1 ? "a value that is" : "values that are";
  const reasons = [...new Set(unknown.values())].join("; ");
  return note(type, [...unknown.keys()], `${where} constructs ${type.name} with ${what} not known (${reasons})`);
}

/** The arguments, of which each that is unknown says so wherever it is used. `known` are values that others give. */
export function explained(type: PyClass, given: Given, where: string, known: ReadonlyMap<string, Value>): Given {
  const why = (name: string, { reason }: Unknown) =>
    new Unknown(`${name} of ${type.name} is not known in ${where} (${reason})`, type.place);
  return mapUnknown(type, given, (name, value) => known.get(name) ?? why(name, value));
}

function note(type: PyClass, names: readonly string[], why: string): Problem {
  const one = names.length === 1;
  const list = one ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return {
    place: type.place!,
    message: `${list} of ${type.name} ${one ? "is" : "are"} unknown: ${why}. Dimensions that depend on ${one ? "it" : "them"} are not shown.`,
    severity: "information",
  };
}
