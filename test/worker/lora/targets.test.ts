import assert from "node:assert/strict";
import { loraConfig } from "../../../src/worker/lora/config";
import { matchTargets, outputHead } from "../../../src/worker/lora/targets";
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

describe("target modules as a regular expression", () => {
  const config = (target_modules: string) => loraConfig({ r: 1, target_modules });

  it("is matched against the whole path", async () => {
    const net = modelNamed(await readTorch(SOURCE), "Net");
    const matched = matchTargets(net, config("attention\\.(qkv|out)"));
    assert.deepEqual(
      matched.map(({ path }) => path),
      ["attention.qkv", "attention.out"],
    );
  });

  it("is given up when it tries every way to split a path", async () => {
    const name = `${"a".repeat(60)}c`;
    const source = `class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.${name} = nn.Linear(8, 8)\n`;
    const net = modelNamed(await readTorch(source), "Net");
    assert.throws(() => matchTargets(net, config("(a+)+b")), { name: "UserError", message: /takes longer than 1 s/ });
  });
});
