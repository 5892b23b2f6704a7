/** A node of the concrete tree, copied out of WebAssembly: crossing over for each question is what is slow. */
export interface Raw {
  readonly type: string;
  /** The field it fills in its parent. */
  readonly field: string | null;
  readonly start: number;
  end: number;
  readonly children: Raw[];
  /** A syntax error lies inside, other than in a block's own statements. */
  broken: boolean;
}

/** The text that places count in, of which a part may be all that is there. */
export interface PlacedText {
  slice(start: number, end: number): string;
}

export function field(raw: Raw, name: string): Raw | undefined {
  return raw.children.find((c) => c.field === name);
}

export function need(raw: Raw, name: string): Raw {
  const child = field(raw, name);
  if (!child) throw new Error(`a ${raw.type} without its ${name}`);
  return child;
}

const NAMED = /^[a-z_]{2,}$/;
const KEYWORDS = new Set(
  "and as assert async await break class continue def del elif else except exec finally for from global if import in is lambda nonlocal not or pass print raise return try while with yield match case type".split(
    " ",
  ),
);

/** Children that are not punctuation or keywords. */
export function meaningful(raw: Raw): Raw[] {
  return raw.children.filter((c) => NAMED.test(c.type) && (!KEYWORDS.has(c.type) || c.children.length > 0));
}

/** The one operator among a node's children. */
export function operatorOf(raw: Raw): string {
  const operator = raw.children.find((c) => /^(?:[-+*/%@&|^<>=~]+|and|or)$/.test(c.type));
  if (!operator) throw new Error(`a ${raw.type} without its operator`);
  return operator.type;
}
