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

  it("are activated, normalized, padded, sorted and multiplied", async () => {
    const source = `
w = F.pad(torch.softmax(torch.tensor([1.0, 2.0, 4.0]), 0), (1, 2), value=0.5)
order = torch.tensor([30, 10, 20]).argsort()
self.a = nn.Linear(int(100 * torch.erf(torch.tensor(0.5))), int(100 * w.sum()))
self.b = nn.Linear(int(100 * F.gelu(torch.tensor(1.0))), order.tolist()[0] + 10 * torch.tensor([5, 9, 7]).topk(2).values.tolist()[1])
self.c = nn.Linear(int((torch.tensor([[1.0, 2.0]]) @ torch.tensor([[3.0], [4.0]])).item()), int(10 * F.layer_norm(torch.tensor([1.0, 2.0, 6.0]), (3,))[2].item()))
self.d = nn.Linear(torch.einsum("i,i->", torch.tensor([1, 2]), torch.tensor([3, 5])).item(), torch.zeros(3).scatter_add(0, torch.tensor([1, 1]), torch.tensor([4.0, 5.0])).long().tolist()[1])
`;
    assert.deepEqual(await sizes(source), [
      "a Linear(52, 250)",
      "b Linear(84, 71)",
      "c Linear(11, 13)",
      "d Linear(13, 9)",
    ]);
  });
});
