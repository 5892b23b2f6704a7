import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import type { VerifyReport } from "../../../../src/protocol/reports";
import { verify } from "../../../../src/worker/jobs/verify/verify";
import { temporaryFolder } from "../../formats/temporaryFolder";

const HEAD = "import torch\nfrom torch import nn\n\n";

/** Hundreds of relus, some of which turn beside any point. */
const RELUS = `${HEAD}class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.fc2(self.fc(x).relu()).relu())
`;

/** Of two numbers a layer normalization leaves their order alone, and a slope that is mostly rounding. */
const NORMALIZED = `${HEAD}class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 2)
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.norm = nn.LayerNorm(2)
        self.head = nn.Linear(2, 50, bias=False)

    def forward(self, ids):
        x = self.table(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(2)
        self.up = nn.Linear(2, 8)
        self.down = nn.Linear(8, 2)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))
`;

describe("verify of right models", function () {
  this.timeout(120_000);
  const at = temporaryFolder();

  async function checksOf(text: string, seed: number, rank: number): Promise<VerifyReport["checks"]> {
    await writeFile(at("model.py"), text);
    const never = new AbortController().signal;
    const report: VerifyReport = await verify(
      {
        kind: "verify",
        model: { file: at("model.py"), class: "Net", seed },
        adapter: { r: rank },
        engine: "onnxruntime-cpu",
      },
      { onProgress: () => undefined, signal: never, stop: never },
    );
    return report.checks;
  }

  it("raises no false alarm where a relu's kink is close to the point", async () => {
    for (const seed of [2, 4, 10, 44, 46, 47, 75, 155, 164, 179]) {
      const wrong = (await checksOf(RELUS, seed, 8)).filter(({ passed }) => !passed);
      assert.deepEqual(
        wrong.map(({ id, measured, bound }) => `seed ${seed}: ${id} ${measured} for ${bound}`),
        [],
      );
    }
  });

  it("calls no gradient wrong where a model amplifies rounding: it says that no slope exceeds its error", async () => {
    let told = 0;
    for (let seed = 0; seed < 12; seed++) {
      const check = (await checksOf(NORMALIZED, seed, 2)).find(({ id }) => id === "finite-differences")!;
      if (check.passed) assert.ok(check.measured <= check.bound);
      else {
        assert.match(check.detail!, /^no slope exceeds the rounding error/, `seed ${seed}: ${check.measured}`);
        told++;
      }
    }
    assert.ok(told < 12);
  });
});
