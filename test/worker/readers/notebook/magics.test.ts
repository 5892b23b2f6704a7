import { strict as assert } from "node:assert";
import { blankMagics, COMMAND_RESULT } from "../../../../src/worker/readers/notebook/magics";

describe("IPython's syntax in notebook cells", () => {
  const cases: readonly [what: string, source: string, plain: string][] = [
    ["a line magic", "%matplotlib inline\nx = 1", "0                 \nx = 1"],
    ["a shell line", "!pip install torch\nx = 1", "0                 \nx = 1"],
    ["a shell line that goes on", "!pip install \\\n  torch\nx = 1", "0             \n       \nx = 1"],
    ["a magic in a block", "if x:\n    !ls\ny = 1", "if x:\n    0  \ny = 1"],
    ["a question", "nn.Linear??\nx = 1", "0          \nx = 1"],
    ["a question in front", "?nn.Linear\nx = 1", "0         \nx = 1"],
    ["a timed statement", "%time x = 1", "0;    x = 1"],
    ["a shell command's output", "files = !ls *.pt", `files = ${COMMAND_RESULT}       `],
    ["a magic's result", "t = %timeit -o f()", `t = ${COMMAND_RESULT}             `],
    ["a timed cell", "%%time\nx = 1", "      \nx = 1"],
    ["a shell cell", "%%bash\nls\ncd /", "      \n  \n    "],
    ["an HTML cell after blank lines", "\n%%html\n<b>", "\n      \n   "],
    ["the remainder operator", "x = (a\n  % b)\ny = a \\\n  % b", "x = (a\n  % b)\ny = a \\\n  % b"],
    ["inequality", "x = a != b\nif x != y: pass", "x = a != b\nif x != y: pass"],
    ["text in a string", 's = """\n%d of\n!x\n"""\n%ls', 's = """\n%d of\n!x\n"""\n0  '],
    ["quotes within quotes", "s = 'it\"s' # '\n%ls", "s = 'it\"s' # '\n0  "],
    ["an empty string", "s = ''\n%ls", "s = ''\n0  "],
    ["a backslash at the end of a string", 's = "\\\\"\n%ls', 's = "\\\\"\n0  '],
  ];
  for (const [what, source, plain] of cases) {
    it(`${what}`, () => {
      assert.equal(blankMagics(source), plain);
      assert.equal(plain.length, source.length);
    });
  }
});
