import { strict as assert } from "node:assert";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { blankComments } from "../../../../../src/worker/readers/python/syntax/comments";

describe("blankComments", () => {
  it("blanks comments and keeps every other character in its place", () => {
    assert.equal(blankComments("x = 1  # one\n# two\r\ny = 2"), "x = 1       \n     \r\ny = 2");
  });

  it("keeps a # inside strings of every kind", () => {
    for (const text of [`"#a" '#b'`, `"\\"#" r'\\\\'`, '"""\n# a\n"" #"""', "'''#'\n#'''", `f"{x}#"`, '"a\\\n#b"']) {
      assert.equal(blankComments(text), text);
      assert.equal(blankComments(`${text} # c`), `${text}    `);
    }
  });

  it("does not let an unclosed string swallow the lines after it", () => {
    assert.equal(blankComments('x = "abc\ny = 1 # c'), 'x = "abc\ny = 1    ');
  });

  it("lets a model behind thousands of comment lines be read at once", async () => {
    const model = "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n";
    const text = `${model}${"        # why\n".repeat(20_000)}        self.fc = nn.Linear(2, 3)\n`;
    const { models } = await openModelFile("/models/commented.py", text);
    assert.equal(models[0]?.root.children[0]?.place.line, 20_005);
  });
});
