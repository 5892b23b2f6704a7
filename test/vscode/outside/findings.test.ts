import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

describe("findings in a window", function () {
  this.timeout(180_000);
  let window: TestWindow;

  before(async () => {
    window = await TestWindow.open({ file: "digits/model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.command("View: Close Primary Side Bar");
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  const open = async (name: string, text: string) => {
    await writeFile(join(window.folder, name), text);
    await window.openFile(name);
  };
  /** What the hover of the problem at the place says. */
  const says = async (at: string, text: RegExp) => {
    const { page } = window;
    await page.keyboard.press("Control+g");
    await page.keyboard.type(`${at}\n`);
    const [line, column] = at.split(":");
    await page.locator(".statusbar-item", { hasText: `Ln ${line}, Col ${column}` }).waitFor();
    await page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    await window.hover(text);
  };

  it("a factor of zero is reported in a file with only handwritten LoRA", async () => {
    const text = `import torch
import torch.nn as nn


class LoraLinear(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 16, alpha: int = 4):
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features) * 0.01)
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha // r

    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)
`;
    await open("by_hand.py", text);
    await window.page.locator(".squiggly-warning, .squiggly-error").first().waitFor();
    await says("15:44", /\b0\b/);
    await window.screenshot("findings-by-hand");
  });

  it("a problem in a class of another file is shown at the model, with the line in that file", async () => {
    await writeFile(
      join(window.folder, "parts.py"),
      `import torch.nn as nn
class Parts(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.a = nn.Linear(width, inner)
        self.b = nn.Linear(width, inner)
    def forward(self, x):
        return self.b(self.a(x))
`,
    );
    await open(
      "use.py",
      "import torch\nfrom parts import Parts\n\nmodel = Parts(6, 4)\ny = model(torch.zeros(2, 6))\n",
    );
    await window.page.locator(".squiggly-error").first().waitFor();
    await says("4:12", /takes inputs whose last dimension is 6.*in parts\.py, line 8/s);
    await window.screenshot("findings-other-file");
  });
});
