import fc from "fast-check";

/** JSON files with values exchanged, removed, renamed and replaced by hostile ones: still JSON, no longer the format. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Stand for text that no value has: put in after `JSON.stringify`, which would overflow the stack itself. */
const LITERALS: Readonly<Record<string, string>> = {
  "@deep": "[".repeat(200_000) + "]".repeat(200_000),
  "@deepObject": `${'{"config":'.repeat(5000)}0${"}".repeat(5000)}`,
  "@huge": "9".repeat(400),
  "@NaN": "NaN",
  "@proto": '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
};

const HOSTILE: readonly Json[] = [
  ...[null, true, false, -1, 0, 1, 1.5, 1e9, 1e15, 1e308, -1e308, 2 ** 53, 2 ** 31, 4294967295],
  ...[
    "",
    "x",
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "__proto__",
    "constructor",
    "toString",
    "\u{1f600}",
  ],
  ...["x".repeat(5000), "a/".repeat(3000), "(a+)+$", "<img src=x onerror=alert(1)>", "](command:x)", "`|\n# x"],
  ...[
    [],
    {},
    [[]],
    [null, null],
    [1e9, 1e9],
    [0],
    [-1],
    [null, 1e12],
    [[["a", 0, 0]]],
    { class_name: "Dense", config: {} },
  ],
  ...Object.keys(LITERALS),
];
const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "length",
  "config",
  "name",
  "",
  "0",
];

const edit = fc.record({
  kind: fc.constantFrom("remove", "hostile", "hostile", "swap", "copy", "rename", "wrap", "many", "number"),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  other: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  value: fc.constantFrom(...HOSTILE),
  key: fc.constantFrom(...KEYS),
});
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

/** Damaged copies of JSON texts, as text. */
export function misshapen(samples: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 5 }))
    .map(([sample, edits]) => written(edits.reduce(applied, { root: JSON.parse(sample) as Json }).root));
}

function written(value: Json): string {
  return JSON.stringify(value).replaceAll(/"(@\w+)"/g, (all, name: string) => LITERALS[name] ?? all);
}

interface Slot {
  readonly holder: Record<string, Json>;
  readonly key: string;
}

function slotsIn(holder: Record<string, Json>, into: Slot[] = []): Slot[] {
  for (const key of Object.keys(holder)) {
    into.push({ holder, key });
    const value = holder[key];
    if (typeof value === "object" && value !== null) slotsIn(value as Record<string, Json>, into);
  }
  return into;
}

function applied(file: { root: Json }, { kind, at, other, value, key }: Edit): { root: Json } {
  const slots = slotsIn(file);
  const [a, b] = [slots[Math.floor(at * slots.length)]!, slots[Math.floor(other * slots.length)]!];
  const old = a.holder[a.key]!;
  switch (kind) {
    case "remove":
      if (Array.isArray(a.holder)) a.holder.splice(Number(a.key), 1);
      else if (a.holder !== (file as unknown)) delete a.holder[a.key];
      break;
    case "hostile":
      put(a, structuredClone(value));
      break;
    case "swap":
    case "copy": {
      const from = b.holder[b.key]!;
      put(a, structuredClone(from));
      if (kind === "swap") put(b, structuredClone(old));
      break;
    }
    case "rename":
      if (!Array.isArray(a.holder) && a.holder !== (file as unknown)) {
        delete a.holder[a.key];
        put({ holder: a.holder, key }, old);
      }
      break;
    case "wrap":
      put(a, at < 0.5 ? [old] : { [key]: old });
      break;
    case "many":
      if (Array.isArray(old) && old.length > 0 && old.length < 100) {
        put(a, Array.from({ length: 40 }, () => structuredClone(old)).flat());
      }
      break;
    case "number":
      if (typeof old === "number") put(a, at < 0.5 ? old * -1 : old * 1e9 + 0.5);
      break;
  }
  return file;
}

/** Not by assignment, which a key of "__proto__" would turn into another prototype. */
function put({ holder, key }: Slot, value: Json): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}
