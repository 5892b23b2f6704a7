import { Unknown } from "../values/unknown";
import { PyFloat } from "../values/values";
import { type Data, DataDict, type DataEntry, DataList, Refused } from "./data";

/** JSON as Python's json module reads it. */

export const MAX_JSON = 4 * 1024 * 1024;
const MAX_DEPTH = 64;

/** Strings, numbers and the constants that Python takes besides: what looks like one within a string is none. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\bNaN\b|-?\bInfinity\b/g;
const MARK = "\0number";

/** `1.0` is a float in Python, and no number of JavaScript can tell: it is marked, as are numbers too large for one. */
function marked(token: string): string {
  if (token.startsWith('"')) return token;
  const isInt = /^-?\d+$/.test(token) && Number.isSafeInteger(Number(token));
  return isInt ? token : `{${JSON.stringify(MARK)}:${JSON.stringify(token)}}`;
}

export function parseJson(text: string, file: string): Data | Refused {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(TOKENS, marked));
  } catch (error) {
    if (error instanceof SyntaxError) return new Refused(`it is not JSON (${error.message})`);
    if (error instanceof RangeError) return new Refused("it is nested too deeply");
    throw error;
  }
  try {
    return dataOf(value, file, 0);
  } catch (error) {
    if (error instanceof RangeError) return new Refused(error.message);
    throw error;
  }
}

function dataOf(json: unknown, file: string, depth: number): Data {
  if (depth > MAX_DEPTH) throw new RangeError(`it is nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(json)) return new DataList(json.map((item) => dataOf(item, file, depth + 1)));
  if (typeof json !== "object" || json === null) return json as Data;
  const entries = Object.entries(json);
  const [first] = entries;
  if (first?.[0] === MARK && entries.length === 1) return numberOf(String(first[1]));
  return new DataDict(
    new Map(
      entries.map(([key, value]): [string, DataEntry] => [`s${key}`, { key, value: dataOf(value, file, depth + 1) }]),
    ),
    file,
    1,
  );
}

function numberOf(token: string): Data {
  if (/^-?\d+$/.test(token)) return new Unknown(`the whole number ${token} is beyond 2^53`);
  return new PyFloat(Number(token));
}
