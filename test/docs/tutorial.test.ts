import { strict as assert } from "node:assert";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shapesOf } from "../../src/worker/language/fileShapes";
import { openModelFile } from "../../src/worker/readers/open";
import { invoke, ROOT } from "../worker/cli/invoke";
import { commandsOf, difference, fencesOf } from "./shownCommands";

const EXAMPLES = join(ROOT, "examples");
const tutorial = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");
const fences = fencesOf(tutorial);

describe("the tutorial", () => {
  const started = process.cwd();
  let folder: string;

  before(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-tutorial-")));
    for (const name of ["course", "digits", "transformer"]) {
      cpSync(join(EXAMPLES, name), join(folder, name), { recursive: true });
    }
    process.chdir(folder);
  });
  after(() => {
    process.chdir(started);
    rmSync(folder, { recursive: true, force: true });
  });

  // In the order of the text: some commands need the files that others write.
  for (const { line, words, output } of commandsOf(tutorial)) {
    it(`line ${line} shows what the command prints: lora-lens ${words.slice(0, 2).join(" ")}`, async function () {
      this.timeout(120_000);
      const { code, out, error } = await invoke(...words);
      assert.equal(error, "");
      assert.equal(code, 0, out);
      const printed = out.trimEnd().replaceAll(`${folder}/`, "").split("\n");
      const found = difference(output, printed);
      assert.equal(found, undefined, `${words.join(" ")}\n${found}`);
      // Each number that is shown counts.
      for (const changed of changedNumbers(output)) assert.ok(difference(changed, printed), changed.join("\n"));
    });
  }

  it("shows what the editor says of each broken layer", async () => {
    const blocks = fences.filter(({ language }) => language === "text");
    assert.equal(blocks.length, 3);
    for (const { lines } of blocks) {
      const [, file, line, severity] = /^(\S+), line (\d+) \((\w+)\):$/.exec(lines[0]!) ?? [];
      assert.ok(file, lines[0]);
      const opened = await openModelFile(join(EXAMPLES, file), readFileSync(join(EXAMPLES, file), "utf8"));
      const problems = [...opened.problems, ...shapesOf(opened).problems];
      assert.deepEqual(
        problems.map((problem) => [problem.severity, problem.message]),
        [[severity, lines.slice(1).join("\n")]],
      );
      assert.ok("line" in problems[0]! && problems[0].line === Number(line), `${file} is not at line ${line}`);
    }
  });

  it("shows code that is in the notebook", () => {
    const notebook = JSON.parse(readFileSync(join(EXAMPLES, "course/lora.ipynb"), "utf8")) as {
      cells: { cell_type: string; source: string[] }[];
    };
    const code = notebook.cells.filter((cell) => cell.cell_type === "code").map(({ source }) => source.join(""));
    const shown = fences.filter(({ language }) => language === "python").map(({ lines }) => lines.join("\n"));
    assert.ok(shown.length > 0);
    for (const text of shown)
      assert.ok(
        code.some((cell) => cell.includes(text)),
        text,
      );
  });

  it("has each number of its sentences in what a command prints", () => {
    const blocks = new Set(fences.flatMap(({ lines }) => lines).flatMap(numbersOf));
    let isCode = false;
    for (const [i, text] of tutorial.split("\n").entries()) {
      if (text.startsWith("```")) isCode = !isCode;
      else if (!isCode) {
        const missing = numbersOf(text.replace(/\]\([^)]*\)/g, "]")).filter((number) => !blocks.has(number));
        assert.deepEqual(missing, [], `line ${i + 1}: ${text}`);
      }
    }
  });
});

/** Numbers that can be results: those of a digit or two are counts of the text and ranks. */
const numbersOf = (text: string): string[] => text.match(/\d[\d,]*\.\d+|\d[\d,]*\d{2}/g) ?? [];

/** The lines with one number changed, for each that is not a time. */
function changedNumbers(lines: readonly string[]): string[][] {
  return lines.flatMap((line, i) =>
    [...line.matchAll(/\d(?!.*samples a second)(?! s$)(?!\d*\.\d* s$)/g)]
      .filter(({ index }) => !/\d/.test(line[index + 1] ?? "") && line[index + 1] !== ".")
      .map(({ index, 0: digit }) => {
        const other = (Number(digit) + 5) % 10;
        return lines.map((text, k) => (k === i ? text.slice(0, index) + other + text.slice(index + 1) : text));
      }),
  );
}

describe("what a tutorial shows of a command", () => {
  const printed = ["model · 1,234 parameters", "loss 0.3189", "50 steps in 3.9 s", "wrote a file"];

  it("agrees with what is printed, also shortened, and with another time", () => {
    assert.equal(difference(printed, printed), undefined);
    assert.equal(difference(["model · … parameters", "…", "wrote a file"], printed), undefined);
    assert.equal(difference(["…", "50 steps in 12.1 s", "…"], printed), undefined);
    assert.equal(difference(["…", "loss 0.319", "…"], printed), undefined);
  });

  it("differs where a number was changed, or a line is missing", () => {
    assert.match(difference(["model · 1,235 parameters", "…"], printed)!, /1,235[\s\S]*1,234/);
    assert.match(difference(["…", "loss 0.3199", "…"], printed)!, /0\.3199/);
    assert.match(difference(["…", "49 steps in 3.9 s", "…"], printed)!, /49 steps/);
    assert.match(difference(printed.slice(0, 3), printed)!, /nothing more[\s\S]*wrote a file/);
    assert.match(difference([...printed, "done"], printed)!, /done[\s\S]*nothing more/);
  });

  it("is not changed by changing any number but a time", () => {
    for (const [line, digit] of [
      [0, "4"],
      [1, "8"],
      [2, "50"],
    ] as const) {
      const changed = printed.map((text, i) => (i === line ? text.replace(digit, "7") : text));
      assert.notEqual(difference(changed, printed), undefined, changed[line]);
    }
  });
});
