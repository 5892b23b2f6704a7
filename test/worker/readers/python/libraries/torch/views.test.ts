import assert from "node:assert/strict";
import { readTorch } from "../../reading";
import { type Described, onlyModel, Reference } from "./reference";

type Result = { readonly program: readonly string[] } & (Described | { readonly error: string });
const fixture = new Reference<Result>("views.json");
/** Single operations: float32 sums of a few dozen terms in another order. */
const ROOM = 2e-6;

async function modelOf(body: readonly string[]) {
  const lines = body.map((line) => `        ${line}\n`).join("");
  const file = await readTorch(`
class Model(nn.Module):
    def forward(self, ${fixture.parameters}):
${lines}        return r
`);
  return onlyModel(file);
}

describe("changes in place are seen through every view, as in PyTorch", () => {
  for (const expected of fixture.results) {
    it(expected.program.join("; "), async () => {
      const model = await modelOf(expected.program);
      if ("error" in expected) {
        assert.throws(() => model.trace({ inputs: fixture.inputs }));
        return;
      }
      // First once for nothing: what one trace changes must not be there in the next.
      model.trace({ inputs: fixture.inputs });
      await fixture.compare(model, [expected], () => ROOM);
    });
  }

  it("says so where a view is not followed, instead of giving a stale value", async () => {
    // Whether reshape copies depends on the strides of a sum of transposed tensors.
    const model = await modelOf(["s = x.transpose(1, 2) + x.transpose(1, 2)", "y = s.reshape(-1)", "y += 1", "r = s"]);
    assert.throws(() => model.trace({ inputs: fixture.inputs }), /may share memory/);
  });

  it("refuses to change a parameter through a view of it in forward", async () => {
    const file = await readTorch(`
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 4)
    def forward(self, x):
        self.l.weight[0].zero_()
        return self.l(x)
`);
    assert.throws(
      () => file.models[0]!.trace({ inputs: fixture.inputs.slice(0, 1) }),
      /l\.weight in place is not supported/,
    );
  });

  it("starts each trace from the tensors as they were constructed", async () => {
    const file = await readTorch(`
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = torch.zeros(2, 3, 4)
        self.calls = []
    def forward(self, x):
        self.cache += 1
        self.calls.append(x)
        return x + self.cache * len(self.calls)
`);
    const texts = [1, 2].map(() => {
      const { graph } = file.models[0]!.trace({ inputs: fixture.inputs.slice(0, 1) });
      return graph.nodes.map((n) => n.op).join(" ");
    });
    assert.equal(texts[0], texts[1]);
    assert.equal(texts[0]!.split(" ").filter((op) => op === "add").length, 2);
  });
});
