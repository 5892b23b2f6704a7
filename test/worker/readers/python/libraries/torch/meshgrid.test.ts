import assert from "node:assert/strict";
import { evaluate } from "../../../../engines/reference";
import { modelNamed, readTorch } from "../../reading";

/** Shape and values of an expression. */
async function shapeAndValues(expression: string): Promise<[readonly number[], number[]]> {
  const opened = await readTorch(`
class Net(nn.Module):
    def forward(self):
        a, b = torch.arange(2), torch.arange(3)
        return ${expression}
`);
  const { graph } = modelNamed(opened, "Net").trace();
  const value = evaluate(graph, new Map()).get("output")!;
  return [value.shape, [...value.data]];
}

describe("torch.meshgrid", () => {
  it("takes one tensor twice", async () => {
    assert.deepEqual(await shapeAndValues("torch.stack(torch.meshgrid(a, a, indexing='ij'))"), [
      [2, 2, 2],
      [0, 0, 1, 1, 0, 1, 0, 1],
    ]);
  });

  it("indexes as matrices or as the plane", async () => {
    assert.deepEqual(await shapeAndValues("torch.stack(torch.meshgrid(a, b, indexing='ij'))"), [
      [2, 2, 3],
      [0, 0, 0, 1, 1, 1, 0, 1, 2, 0, 1, 2],
    ]);
    assert.deepEqual(await shapeAndValues("torch.stack(torch.meshgrid(a, b, a, indexing='xy'))[:2]"), [
      [2, 3, 2, 2],
      [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2],
    ]);
  });
});
