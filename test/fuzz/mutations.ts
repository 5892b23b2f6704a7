import fc from "fast-check";

/** How many inputs each fuzzer makes: a part of the whole in `npm test`, more with FUZZ_RUNS set. */
export function runs(usual: number): number {
  const wanted = Number(process.env.FUZZ_RUNS);
  return Number.isSafeInteger(wanted) && wanted > 0 ? wanted : usual;
}

/** The same inputs each time, so that a failure can be repeated. */
export const SEED = 20261124;

interface Edit {
  readonly kind: "flip" | "set" | "cut" | "insert" | "repeat" | "large";
  readonly at: number;
  readonly value: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "set", "cut", "insert", "repeat", "large"),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  value: fc.nat(255),
});

/** Damaged copies of well-formed files. */
export function damaged(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([sample, edits]) => edits.reduce(applied, sample));
}

function applied(bytes: Uint8Array, { kind, at, value }: Edit): Uint8Array {
  const place = Math.floor(at * bytes.length);
  const copy = Uint8Array.from(bytes);
  switch (kind) {
    case "flip":
      if (place < copy.length) copy[place]! ^= 1 << (value % 8);
      return copy;
    case "set":
      if (place < copy.length) copy[place] = value;
      return copy;
    case "large":
      return copy.fill(0xff, place, place + 1 + (value % 8));
    case "cut":
      return Uint8Array.from([...bytes.subarray(0, place), ...bytes.subarray(place + 1 + (value % 64))]);
    case "insert":
      return Uint8Array.from([...bytes.subarray(0, place), value, ...bytes.subarray(place)]);
    case "repeat":
      return Uint8Array.from([...bytes.subarray(0, place + value), ...bytes.subarray(place)]);
  }
}

const PIECES = [
  ..."( ) [ ] { } : , . = * ** / // % @ - ~ == < None True self x super() lambda yield await return".split(" "),
  ...[
    "10**12",
    "-1",
    "2.5",
    "1e400",
    "2**63",
    "0",
    "range(10**9)",
    "[0] * 10**12",
    '"a" * 10**12',
    "torch.ones(10**15)",
  ],
  ...[
    "while True:\n    pass\n",
    "f'{1:1000000000}'",
    "nn.Linear(-1, 10**18)",
    "x.view(-1, 0)",
    "\n",
    "    ",
    '"""',
    "\\",
  ],
];

const tokenEdit = (pieces: readonly string[]) =>
  fc.record({
    kind: fc.constantFrom("drop", "twice", "swap", "replace", "number", "dropLine", "swapLines", "nest"),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    other: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    piece: fc.constantFrom(...pieces),
  });

/** Sources with tokens and lines dropped, doubled, exchanged and replaced. `pieces` are the hostile ones. */
export function garbled(sources: readonly string[], pieces: readonly string[] = PIECES): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...sources), fc.array(tokenEdit(pieces), { minLength: 1, maxLength: 5 }))
    .map(([source, edits]) => edits.reduce(garble, source));
}

function garble(source: string, edit: { kind: string; at: number; other: number; piece: string }): string {
  const byLine = edit.kind.includes("Line");
  const parts = byLine ? source.split(/(?<=\n)/) : source.split(/(?<=\W)|(?=\W)/);
  const [i, j] = [Math.floor(edit.at * parts.length), Math.floor(edit.other * parts.length)];
  if (parts.length === 0) return edit.piece;
  switch (edit.kind) {
    case "drop":
    case "dropLine":
      parts.splice(i, 1);
      break;
    case "twice":
      parts.splice(i, 0, parts[i]!);
      break;
    case "swap":
    case "swapLines":
      [parts[i], parts[j]] = [parts[j]!, parts[i]!];
      break;
    case "number": {
      const n = parts.findIndex((part, k) => k >= i && /^\d+$/.test(part));
      if (n >= 0) parts[n] = edit.piece;
      break;
    }
    case "nest":
      parts[i] = `${"(".repeat(300)}${parts[i]}${")".repeat(300)}`;
      break;
    default:
      parts[i] = edit.piece;
  }
  return parts.join("");
}
