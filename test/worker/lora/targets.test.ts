import assert from "node:assert/strict";
import { outputHead } from "../../../src/worker/lora/targets";
import { modelNamed, readTorch } from "../readers/python/reading";

const SOURCE = `
class Attention(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention(8)
        self.classifier = nn.Linear(8, 2)
`;

describe("output head", () => {
  it("is the last Linear of a whole model", async () => {
    assert.equal(outputHead(modelNamed(await readTorch(SOURCE), "Net"))!.path, "classifier");
  });

  it("is none of a class that is only a part of another", async () => {
    assert.equal(outputHead(modelNamed(await readTorch(SOURCE), "Attention")), undefined);
  });

  it("is the last Linear of the same class where it stands alone", async () => {
    const alone = SOURCE.slice(0, SOURCE.indexOf("class Net"));
    assert.equal(outputHead(modelNamed(await readTorch(alone), "Attention"))!.path, "out");
  });
});
