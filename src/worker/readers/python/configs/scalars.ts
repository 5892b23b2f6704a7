import { Unknown } from "../values/unknown";
import { PyFloat } from "../values/values";
import type { Dialect, Scalar } from "./data";

/**
 * What a plain scalar of YAML is in Python. PyYAML follows YAML 1.1 in its own way: `yes` and `off` are booleans, `1e-3`
 * is text, `010` is 8 and `1:30` is 90. https://pyyaml.org/wiki/PyYAMLDocumentation
 */

const TRUE = new Set("yes Yes YES true True TRUE on On ON".split(" "));
const FALSE = new Set("no No NO false False FALSE off Off OFF".split(" "));
const NULL = new Set(["", "~", "null", "Null", "NULL"]);

const INFINITE = /^[-+]?\.(?:inf|Inf|INF)$/;
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/;
/** An exponent needs a point before it and a sign. */
const FLOAT = /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]\d+)?$/;
const SEXAGESIMAL_FLOAT = /^[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*$/;
/** OmegaConf adds that it needs neither. */
const OMEGACONF_FLOAT = /^[-+]?\d+(?:_\d+)*(?:\.[\d_]*)?[eE][-+]?\d+$/;

const BINARY = /^([-+]?)0b([01_]+)$/;
const OCTAL = /^([-+]?)0([0-7_]+)$/;
const DECIMAL = /^([-+]?)(0|[1-9][\d_]*)$/;
const HEXADECIMAL = /^([-+]?)0x([\da-fA-F_]+)$/;
const SEXAGESIMAL = /^[-+]?[1-9][\d_]*(?::[0-5]?\d)+$/;
const RADIXES = [
  [BINARY, 2],
  [OCTAL, 8],
  [DECIMAL, 10],
  [HEXADECIMAL, 16],
] as const;

const DATE = /^\d{4}-\d\d-\d\d$|^\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d/;

export function plainScalar(text: string, dialect: Dialect): Scalar {
  if (NULL.has(text)) return null;
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  // Nearly all are words.
  if (!/^[-+.\d]/.test(text)) return text;
  const float = floatScalar(text, dialect);
  if (float !== undefined) return float;
  const whole = intScalar(text);
  if (whole !== undefined) return whole;
  if (dialect === "pyyaml" && DATE.test(text)) return new Unknown(`${text} is a date`);
  return text;
}

function floatScalar(text: string, dialect: Dialect): PyFloat | undefined {
  if (NOT_A_NUMBER.test(text)) return new PyFloat(Number.NaN);
  if (INFINITE.test(text)) return new PyFloat(text.startsWith("-") ? -Infinity : Infinity);
  if (SEXAGESIMAL_FLOAT.test(text)) return new PyFloat(sexagesimal(text));
  const isFloat = FLOAT.test(text) || (dialect === "omegaconf" && OMEGACONF_FLOAT.test(text));
  return isFloat ? new PyFloat(Number(text.replaceAll("_", ""))) : undefined;
}

function intScalar(text: string): Scalar | undefined {
  if (SEXAGESIMAL.test(text)) return whole(sexagesimal(text), text);
  for (const [pattern, radix] of RADIXES) {
    const [all, sign, digits] = pattern.exec(text) ?? [];
    if (all === undefined || !/\d|[a-f]/i.test(digits!)) continue;
    return whole((sign === "-" ? -1 : 1) * Number.parseInt(digits!.replaceAll("_", ""), radix) + 0, text);
  }
  return undefined;
}

/** `1:30` is 90. */
function sexagesimal(text: string): number {
  const negative = text.startsWith("-");
  const parts = text.replace(/^[-+]/, "").replaceAll("_", "").split(":");
  const value = parts.reduce((total, part) => total * 60 + Number(part), 0);
  return negative ? -value : value;
}

function whole(value: number, text: string): Scalar {
  return Number.isSafeInteger(value) ? value : new Unknown(`the whole number ${text} is beyond 2^53`);
}

/** A scalar with a tag, `!!float 3`; undefined where the tag is none of YAML's own for scalars. */
export function taggedScalar(tag: string, text: string, dialect: Dialect): Scalar | undefined {
  switch (tag) {
    case "tag:yaml.org,2002:str":
      return text;
    case "tag:yaml.org,2002:null":
      return null;
    case "tag:yaml.org,2002:bool":
      return TRUE.has(text) || /^(yes|true|on)$/i.test(text);
    case "tag:yaml.org,2002:int":
      return intScalar(text) ?? new Unknown(`${text} is not a whole number`);
    case "tag:yaml.org,2002:float": {
      const float = floatScalar(text, dialect);
      if (float) return float;
      const number = text.trim() === "" ? Number.NaN : Number(text.replaceAll("_", ""));
      return Number.isNaN(number) ? new Unknown(`${text} is not a number`) : new PyFloat(number);
    }
  }
  return undefined;
}
