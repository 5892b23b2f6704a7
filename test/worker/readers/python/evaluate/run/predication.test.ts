import assert from "node:assert/strict";
import { float32, type Tensor } from "../../../../../../src/worker/formats/tensor";
import { evaluate } from "../../../../engines/reference";
import { modelNamed, readTorch } from "../../reading";

/** The output of a model without weights for a [3, 2] input. */
async function run(body: string, x: readonly number[]): Promise<number[]> {
  const lines = body
    .trim()
    .split("\n")
    .map((line) => `        ${line}`)
    .join("\n");
  const opened = await readTorch(`
class Net(nn.Module):
    def forward(self, x):
${lines}
Net()(torch.randn(3, 2))
`);
  const { graph, problems } = modelNamed(opened, "Net").trace();
  assert.deepEqual(problems, []);
  const feeds = new Map<string, Tensor>([["x", float32([3, 2], Float32Array.from(x))]]);
  return [...evaluate(graph, feeds).get("output")!.data];
}

describe("code under a condition that depends on data", () => {
  const routed = `
best = x.argmax(dim=-1)
out = torch.zeros(3, 2)
for e in torch.unique(best):
    k = int(e.item())
    chosen = best == k
    if not chosen.any():
        continue
    rows = chosen.nonzero(as_tuple=False).squeeze(-1)
    if rows.numel() == 0:
        continue
    out.index_add_(0, rows, x[rows] * (k + 10))
    out += 1
return out
`;

  it("a turn of a loop over the numbers that occur, each once", async () => {
    // PyTorch: both numbers occur, so 1 is added twice.
    assert.deepEqual(await run(routed, [1, 2, 4, 3, 5, 6]), [13, 24, 42, 32, 57, 68]);
    // Only 1 occurs: the turn for 0 changes nothing, not even by its 1.
    assert.deepEqual(await run(routed, [1, 2, 3, 4, 5, 6]), [12, 23, 34, 45, 56, 67]);
  });

  it("a branch changes names and tensors only where its condition holds", async () => {
    const branch = `
y = x + 1
z = x.clone()
if (x > 0).any():
    y = y * 2
    z.mul_(3)
else:
    z.sub_(1)
return y + z
`;
    assert.deepEqual(await run(branch, [1, 0, 0, 0, 0, 0]), [7, 2, 2, 2, 2, 2]);
    assert.deepEqual(await run(branch, [-1, 0, 0, 0, 0, 0]), [-2, 0, 0, 0, 0, 0]);
  });

  it("a branch in a branch", async () => {
    const nested = `
z = torch.zeros(3, 2)
if x.sum() > 0:
    z.add_(1)
    if x.max() > 5:
        z.add_(x)
return z
`;
    assert.deepEqual(await run(nested, [6, 0, 0, 0, 0, 0]), [7, 1, 1, 1, 1, 1]);
    assert.deepEqual(await run(nested, [6, -9, 0, 0, 0, 0]), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(await run(nested, [1, 0, 0, 0, 0, 0]), [1, 1, 1, 1, 1, 1]);
  });

  it("other values that such code changes are unknown afterwards, and so is the number of selected rows", async () => {
    const opened = await readTorch(`
class Counts(nn.Module):
    def forward(self, x):
        n = 1
        if x.sum() > 0:
            n = 2
        return x * n
Counts()(torch.randn(3, 2))
class Mean(nn.Module):
    def forward(self, x):
        rows = torch.where(x[:, 0] > 0)[0]
        return x / rows.numel()
Mean()(torch.randn(3, 2))
class Twice(nn.Module):
    def forward(self, x):
        rows = torch.where(x[:, 0] > 0)[0]
        if len(rows) - 1 == 0:
            x = x + 1
        return x
Twice()(torch.randn(3, 2))
class Leaves(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return x * 2
Leaves()(torch.randn(3, 2))
`);
    for (const [name, reason] of [
      ["Counts", /n is changed only where a condition holds that depends on data/],
      ["Mean", /how many rows a mask selects depends on the data/],
      ["Twice", /how many rows a mask selects depends on the data/],
      ["Leaves", /depends on the tensor's values/],
    ] as const) {
      assert.throws(() => modelNamed(opened, name).trace(), reason, name);
    }
  });
});
