/**
 * Random small programs of Python, made from a seed, to be run in several ways. In the text, `@y` stands where a
 * generator's body may yield, as a statement or in front of an operand.
 */

const INTEGERS = ["a", "b", "i", "j"];
const NUMBERS = [...INTEGERS, "x", "y"];
const STATE = ["a", "b", "i", "j", "x", "y", "s", "t", "l", "d"];

type Place = "loop" | "body";

class Writer {
  private loops = 0;
  /** Above 0 where the evaluator has no yields, or Python has none. */
  private still = 0;

  constructor(private state: number) {}

  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  private below(count: number): number {
    return Math.floor(this.random() * count);
  }

  private one<T>(options: readonly T[]): T {
    return options[this.below(options.length)]!;
  }

  private often(usual: string, seldom: string): string {
    return this.random() < 0.9 ? usual : seldom;
  }

  private without(maker: () => string): string {
    this.still++;
    const made = maker();
    this.still--;
    return made;
  }

  private any(makers: readonly (() => string)[]): string {
    return this.one(makers)();
  }

  private yielded(expr: string): string {
    return this.still === 0 && this.random() < 0.12 ? `(@y${expr})` : expr;
  }

  private integer(depth: number): string {
    if (depth <= 0) return this.any([() => this.one(INTEGERS), () => String(this.below(9) - 2)]);
    const inner = () => this.integer(depth - 1);
    return this.yielded(
      this.any([
        inner,
        () => `(${inner()} ${this.one(["+", "-", "*"])} ${inner()}) % 1009`,
        () => `(${inner()} ${this.one(["//", "%"])} ${this.often(this.one(["3", "-4", "7"]), inner())})`,
        () =>
          `${this.one(["len(l)", "len(s)", "len(d)", "sum(t) % 1009", "abs(a)", "s.count('b')", "s.find('c')", "-a"])}`,
        () => `min(${inner()}, ${inner()})`,
        () => `l[${inner()} % ${this.often("len(l)", "4")}]`,
        () => `${this.often("l[0]", "t[i]")}`,
        () => `t[${this.one(["0", "-1"])}]`,
        () => `d.get(${inner()} % 5, ${inner()})`,
        () => `d[${this.often("0", `${inner()} % 3`)}]`,
        () => `(${inner()} if ${this.condition(depth - 1)} else ${inner()})`,
        () =>
          this.without(() => `sum([k * 2 for k in ${this.items(depth - 1)} if k % ${this.one(["2", "3"])}]) % 1009`),
      ]),
    );
  }

  private number(depth: number): string {
    return this.any([
      () => this.one(NUMBERS),
      () => this.integer(depth),
      () => `${this.one(["0.5", "-1.25", "x", "y"])} ${this.one(["+", "-"])} ${this.integer(depth)}`,
      () => `${this.integer(depth)} / ${this.often(this.one(["4", "-8"]), "a")}`,
      () => `${this.one(["x", "y"])} * 0.5`,
    ]);
  }

  /** What numbers grow by: no faster than the loops turn. */
  private small(): string {
    return this.yielded(this.one(["i", "2", "-1"]));
  }

  private text(): string {
    return this.any([
      () => `(s + ${this.one(["'b'", "'ca'", "str(a % 7)"])})[-9:]`,
      () => `s${this.one([".upper()", ".lower()", ".strip('a')", ".replace('b', 'cc')[:9]", "[::-1]", ".title()"])}`,
      () => `'-'.join([str(k) for k in ${this.items(0)}][:3])`,
      () => `f"{${this.integer(0)}}{s[:2]}"`,
    ]);
  }

  private items(depth: number): string {
    const part = () => `${this.one(["", "1", "-3", "i"])}:${this.one(["", "2", "-1"])}`;
    return this.any([
      () => this.one(["l", "t"]),
      () => `l[${part()}]`,
      () => `t[${part()}:${this.one(["", "2", "-1"])}]`,
      () => `range(${this.integer(depth)} % 6)`,
      () => `[${this.integer(depth)}, ${this.integer(depth)}]`,
      () => "sorted(d)",
    ]);
  }

  private condition(depth: number): string {
    const inner = () => this.integer(depth);
    return this.any([
      () => `${inner()} ${this.one(["<", "<=", "==", "!=", ">"])} ${this.number(depth)}`,
      () => `${inner()} ${this.one(["in", "not in"])} ${this.one(["l", "t", "d", "(1, 2, 3)"])}`,
      () => `not ${this.one(["a % 2", "l", "x", "s"])}`,
      () => `${this.one(["a", "i", "x"])} ${this.one(["and", "or"])} ${inner()} > 2`,
      () => this.without(() => `a < ${inner()} <= 9`),
    ]);
  }

  /** What compiled loops know, or leave to the evaluator as they run. */
  private plain(indent: string, depth: number): string[] {
    const within = `${indent}  `;
    const block = () => Array.from({ length: 1 + this.below(2) }, () => this.plain(within, depth - 1)).flat();
    const operand = (): string =>
      this.one([
        "a",
        "b",
        "i",
        "j",
        "3",
        "-2",
        "l[0]",
        "t[-1]",
        "d[0]",
        "len(l)",
        "abs(a)",
        "min(a, i)",
        "d.get(1, 4)",
      ]);
    const integer = (): string =>
      this.any([
        operand,
        () => `(${operand()} ${this.one(["+", "-", "*"])} ${operand()}) % 101`,
        () => `${operand()} // ${this.often("-3", "a")}`,
        () => `(${operand()} if ${test()} else ${operand()})`,
        () => `l[i % ${this.often("len(l)", "3")}]`,
      ]);
    const test = (): string =>
      this.any([
        () => `${operand()} ${this.one(["<", "<=", "==", "!=", ">", ">="])} ${this.one(["x", "2", operand()])}`,
        () => `${operand()} ${this.one(["in", "not in"])} ${this.one(["l", "t", "d"])}`,
        () => `not ${this.one(["l", "a % 2", "x"])} ${this.one(["or", "and"])} ${operand()} % 3 == 1`,
      ]);
    if (depth > 0 && this.random() < 0.3) {
      if (this.random() < 0.5) return [`${indent}if ${test()}:`, ...block(), `${indent}else:`, ...block()];
      return [`${indent}for j in ${this.one(["range(3)", "t", "range(a % 4)", "(1, 2, a)"])}:`, ...block()];
    }
    const act = this.any([
      () => `a = ${integer()}`,
      () => `b ${this.one(["+=", "-="])} ${this.small()}`,
      () => `x ${this.one(["+= 0.25", "-= i", "= i / 4", "= b / 8"])}`,
      () => "a, b = b, a",
      () => `t = (${integer()}, b, ${integer()})`,
      () => `l.append(${integer()})`,
      () => `l[${integer()} % len(l)] = ${integer()}`,
      () => `l[i % 3] += ${this.small()}`,
      () => `d[i % 4] = ${integer()}`,
      () => `if ${test()}: ${this.one(["break", "continue", "pass"])}`,
      () => "@y",
    ]);
    return [indent + act];
  }

  private plainLoop(): string[] {
    return ["for i in range(34):", ...Array.from({ length: 2 + this.below(4) }, () => this.plain("  ", 2)).flat()];
  }

  /** Of `k`, an element of a range: what a long comprehension computes for all of its elements at once. */
  private column(depth: number): string {
    const inner = () => this.column(depth - 1);
    if (depth <= 0)
      return this.one(["k", "k", "k", "a", "b", "i", "x", "y", "2", "-3", "0.5", "abs(k)", "max(k, a)", "True"]);
    return this.any([
      inner,
      () => `(${inner()} ${this.one(["+", "-"])} ${inner()})`,
      () => `(${inner()} * ${inner()}) % ${this.one(["101", "-64", "12.5"])}`,
      () => `(${inner()} ${this.one(["/", "//", "%"])} ${this.often(this.one(["4", "-3", "0.25"]), inner())})`,
      () => `-${inner()}`,
      // Of other powers the last digit is not the same in C.
      () => `(${this.one(["k", "a"])} // 2 % 9) ** ${this.often("2", "-1")}`,
      () => `2 ** (${inner()} // 1 % 9)`,
    ]);
  }

  private table(): string[] {
    const elements = this.one(["range(36)", "range(-9, 60, 2)", "[k / 4 for k in range(34)]", "[*range(40), 7]"]);
    return [
      `m = [${this.column(3)} for k in ${elements}]`,
      "j = sum([int(k * 8) % 1009 for k in m]) % 1009",
      "y = m[a % 33] % 64",
    ];
  }

  private simple(): string {
    return this.any([
      () => `${this.one(["a", "b"])} = ${this.integer(2)}`,
      () => `${this.one(["a", "b"])} ${this.one(["+=", "-="])} ${this.small()}`,
      () => `${this.one(["x", "y"])} = ${this.number(1)} * 0.5`,
      () => `${this.one(["x", "y"])} ${this.one(["+=", "-="])} ${this.one(["0.25", "i", "0.1"])}`,
      () => "a, b = b, a",
      () => `a, b = ${this.often(this.one(["t[:2]", `${this.integer(1)}, ${this.integer(1)}`]), "l")}`,
      () => `${this.one(["a, *l", "*l, a"])} = ${this.often("[*t, 2, *l]", "l")}`,
      () => this.without(() => `s = ${this.text()}`),
      () => `t = (${this.integer(1)}, ${this.integer(1)}) + t[:3]`,
      () => `l.append(${this.integer(1)})`,
      () => `l += [${this.integer(1)}]`,
      () =>
        `l[${this.without(() => this.integer(1))} % ${this.often("len(l)", "4")}] ${this.one([`= ${this.integer(1)}`, `+= ${this.small()}`])}`,
      () => `l[l.pop() % ${this.often("1", "3")}] += ${this.small()}`,
      () => `d[${this.without(() => this.integer(1))} % 6] = ${this.integer(1)}`,
      () => `d[${this.often("0", "a % 6")}] += ${this.small()}`,
      () => this.without(() => `l = [(${this.integer(0)} + k) % 1009 for k in ${this.items(1)}] + [a]`),
      () => this.without(() => `l = [k for k in range(40) if k % 7 == ${this.integer(1)} % 7]`),
      () => this.without(() => `d = {0: b, **{k: k % 5 for k in ${this.items(1)}}}`),
      () => "l = l[:8]",
      () => "@y",
      () => "@y",
      () =>
        this.often(
          "a = len(s)",
          this.one([`raise ${this.one(["ValueError", "KeyError"])}(a)`, `assert ${this.condition(1)}, 'no'`, "return"]),
        ),
    ]);
  }

  private statement(depth: number, place: Place, indent: string): string[] {
    const within = `${indent}  `;
    const block = (at = place) => this.block(depth - 1, at, within);
    if (place === "loop" && this.random() < 0.1)
      return [`${indent}if ${this.condition(1)}: ${this.one(["break", "continue", "continue"])}`];
    if (depth <= 0 || this.random() < 0.55) return [indent + this.simple()];
    switch (this.below(5)) {
      case 0: {
        const lines = [`${indent}if ${this.condition(1)}:`, ...block()];
        return this.random() < 0.5 ? lines : [...lines, `${indent}else:`, ...block()];
      }
      case 1: {
        const of = this.random() < 0.5 ? `range(${this.one(["33", "3", "2"])})` : this.items(1);
        // A list may grow while the loop goes over it.
        const guard = `${within}if len(l) > 40: ${of === "l" ? "break" : "l = l[:7]"}`;
        return [`${indent}for j in ${of}:`, guard, ...block("loop"), ...this.otherwise(depth, place, indent)];
      }
      case 2: {
        const name = `n${this.loops++}`;
        const head = [`${indent}${name} = 0`, `${indent}while ${name} < ${this.one(["3", "5", "a % 5"])}:`];
        return [...head, `${within}${name} += 1`, ...block("loop"), ...this.otherwise(depth, place, indent)];
      }
      case 3: {
        const type = this.one(["IndexError", "(KeyError, ZeroDivisionError)", "Exception", "ValueError"]);
        const lines = [`${indent}try:`, ...block(), `${indent}except ${type} as e:`, ...block()];
        if (this.random() < 0.15) lines.push(`${within}raise`);
        if (this.random() < 0.3) lines.push(`${indent}else:`, ...block());
        return this.random() < 0.4 ? [...lines, `${indent}finally:`, ...block()] : lines;
      }
      default:
        return [`${indent}try:`, ...block(), `${indent}finally:`, ...block()];
    }
  }

  private otherwise(depth: number, place: Place, indent: string): string[] {
    return this.random() < 0.25 ? [`${indent}else:`, ...this.block(depth - 1, place, `${indent}  `)] : [];
  }

  private block(depth: number, place: Place, indent: string): string[] {
    return Array.from({ length: 1 + this.below(3) }, () => this.statement(depth, place, indent)).flat();
  }

  program(): string {
    const head = ["a, b, i, j, x, y = 3, 7, 0, 1, 0.5, -2.0", "s, t, l, d = 'abc', (1, 2, 3), [4, 0, 5], {0: 1, 1: 5}"];
    const body: string[] = [];
    for (let i = 0; i < 2; i++) {
      body.push(
        ...this.block(1, "body", ""),
        "for i in range(34):",
        "  if len(l) > 40: l = l[:7]",
        ...this.block(2, "loop", "  "),
      );
      body.push("l, t = l[:8], t[:4]", "a, b = a % 1000, b % 1000", ...this.table());
    }
    body.push(...this.plainLoop());
    return [...head, ...(this.random() < 0.4 ? this.plainLoop() : []), ...body].join("\n");
  }
}

export function randomProgram(seed: number): string {
  return new Writer(seed).program();
}

const WAYS = {
  /** The loops are compiled, where plain code knows how. */
  loops: { first: "pass", call: "run()", yields: false },
  /** While a recorder watches, no loops are compiled. */
  statements: { first: "pass", call: "run()", yields: false },
  /** The body of a generator. */
  suspended: { first: "yield", call: "list(run())", yields: true },
};
export type Way = keyof typeof WAYS;
export const ALL_WAYS = Object.keys(WAYS) as Way[];

/** A module that runs the program in one way. `result` holds the values at its end, and the error it ended with. */
export function asRun(program: string, way: Way): string {
  const { first, call, yields } = WAYS[way];
  const indented = (text: string, by: string) => text.replace(/^/gm, by);
  const body = program
    .replace(/^( *)@y$/gm, yields ? "$1yield a" : "$1pass")
    .replaceAll("@y", yields ? "(yield) or " : "");
  const lines = body.split("\n");
  const parts = [first, ...lines.slice(0, 2)].map((line) => `  ${line}`);
  return `
seen = []
def run():
${parts.join("\n")}
  try:
${indented(lines.slice(2).join("\n"), "    ")}
  finally:
    seen.append((${STATE.join(", ")}))
try:
  ${call}
except Exception as error:
  seen.append((type(error).__name__, str(error)))
result = seen
`;
}

// As a program, it writes programs as JSON, for the script that runs them with CPython.
if (require.main === module) {
  const programs = Array.from({ length: Number(process.argv[2]) }, (_, i) => randomProgram(i));
  process.stdout.write(JSON.stringify(programs.map((program) => [program, asRun(program, "loops")])));
}
