import assert from "node:assert/strict";
import { layersOf, messages, modelNamed, readTorch } from "../../reading";

/** Sizes computed with tensors whose values are known while the model is built. */
async function sizes(lines: string): Promise<string[]> {
  const opened = await readTorch(`class M(nn.Module):
    def __init__(self):
        super().__init__()
${lines
  .trim()
  .split("\n")
  .map((line) => `        ${line}`)
  .join("\n")}
`);
  assert.deepEqual(messages(opened), []);
  return layersOf(modelNamed(opened, "M"));
}

describe("tensors of known values", () => {
  // Expected: PyTorch 2.13 prints the same layers.
  it("are sizes of layers and of other tensors", async () => {
    const source = `
h = torch.cumprod(torch.tensor([2, 3, 4]), dim=0)
self.a = nn.Linear(h[1], torch.zeros(h[0], 5).shape[0])
self.b = nn.Linear(torch.arange(h[-1]).shape[0], torch.linspace(0, torch.tensor(7.0), h[1].item()).shape[0])
`;
    assert.deepEqual(await sizes(source), ["a Linear(6, 2)", "b Linear(24, 6)"]);
  });

  it("are joined, picked, changed and searched", async () => {
    const source = `
t = torch.cat([torch.tensor([[1, 2]]), torch.tensor([[3, 4], [5, 6]])], dim=0)
i = torch.argmax(t, dim=0)
i[0] = 1
self.a = nn.Linear(t[i][0, 1].item(), t.argmin(dim=1).tolist()[0] + t.cumsum(0)[-1, 0].item())
self.b = nn.Linear(torch.cat([t, t * 10], dim=1)[1].tolist()[2], torch.gather(t, 1, torch.tensor([[1], [0], [1]])).tolist()[2][0])
`;
    assert.deepEqual(await sizes(source), ["a Linear(4, 9)", "b Linear(30, 6)"]);
  });
});
