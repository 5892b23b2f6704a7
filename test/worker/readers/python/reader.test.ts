import assert from "node:assert/strict";
import { layersOf, messages, modelNamed, read, readTorch } from "./reading";

describe("python reader: layers", () => {
  it("reads a plain MLP with its shapes, paths, counts and lines", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self, d_model=512):
        super().__init__()
        self.fc1 = nn.Linear(784, d_model * 4)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(d_model * 4, 10, bias=False)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))
`);
    assert.deepEqual(messages(opened), []);
    const net = modelNamed(opened, "Net");
    assert.deepEqual(layersOf(net), ["fc1 Linear(784, 2048)", "act ReLU", "fc2 Linear(2048, 10)"]);
    const [fc1, , fc2] = net.root.children;
    assert.equal(fc1!.parameters, 784 * 2048 + 2048);
    assert.equal(fc1!.bias, true);
    assert.equal(fc2!.bias, false);
    assert.equal(net.root.parameters, 784 * 2048 + 2048 + 2048 * 10);
    assert.deepEqual([net.place.line, fc1!.place.line, fc1!.place.column, fc2!.place.line], [5, 8, 20, 10]);
    assert.deepEqual(
      net.stateDict.map((p) => [p.path, p.shape, p.buffer]),
      [
        ["fc1.weight", [2048, 784], false],
        ["fc1.bias", [2048], false],
        ["fc2.weight", [10, 2048], false],
      ],
    );
  });

  it("gives each layer of a Sequential its own place, and layers of a loop the place of the call in its body", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self, sizes=(8, 16, 4)):
        super(Net, self).__init__()
        self.seq = nn.Sequential(
            nn.Linear(3, 8),
            nn.GELU(),
        )
        self.blocks = nn.ModuleList()
        for a, b in zip(sizes, sizes[1:]):
            self.blocks.append(nn.Linear(a, b))
        self.more = nn.ModuleList([nn.Linear(n, n) for n in range(1, 3)])
        self.named = nn.ModuleDict({"q": nn.Linear(1, 2)})
`);
    const net = modelNamed(opened, "Net");
    assert.deepEqual(layersOf(net), [
      "seq.0 Linear(3, 8)",
      "seq.1 GELU",
      "blocks.0 Linear(8, 16)",
      "blocks.1 Linear(16, 4)",
      "more.0 Linear(1, 1)",
      "more.1 Linear(2, 2)",
      "named.q Linear(1, 2)",
    ]);
    const [seq, blocks] = net.root.children;
    assert.deepEqual(
      seq!.children.map((c) => c.place.line),
      [9, 10],
    );
    assert.deepEqual(
      blocks!.children.map((c) => c.place.line),
      [14, 14],
    );
  });

  it("reads submodules of classes in the file, each class as a model of its own, in source order", async () => {
    const opened = await readTorch(`
class Block(nn.Module):
    def __init__(self, dim, ratio=4):
        super().__init__()
        self.up = nn.Linear(dim, dim * ratio)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[Block(6) for _ in range(2)])
`);
    assert.deepEqual(
      opened.models.map((m) => m.className),
      ["Block", "Net"],
    );
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["layers.0.up Linear(6, 24)", "layers.1.up Linear(6, 24)"]);
    assert.deepEqual(layersOf(modelNamed(opened, "Block")), ["up Linear(6, 24)"]);
    assert.deepEqual(opened.problems, []);
  });

  it("evaluates configurations: dict, dataclass, namespace object, module constants", async () => {
    const opened = await readTorch(`
from dataclasses import dataclass
CFG = {"emb_dim": 32, "n_heads": 4}
WIDTH: int = 12
@dataclass
class Config:
    n_embd: int = 16
class Old:
    hidden_size = 20
class A(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.q = nn.Linear(cfg["emb_dim"], cfg["emb_dim"] // cfg["n_heads"])
class B(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.q = nn.Linear(config.n_embd, 3 * config.n_embd)
class C(nn.Module):
    def __init__(self, config=Old):
        super().__init__()
        self.q = nn.Linear(config.hidden_size, WIDTH)
a = A(CFG)
def main():
    config = Config()
    config.n_embd = 99
    return B(Config(n_embd=24))
`);
    assert.deepEqual(
      opened.models.map((m) => layersOf(m)[0]),
      ["q Linear(32, 8)", "q Linear(24, 72)", "q Linear(20, 12)"],
    );
  });

  it("takes the constructor's arguments from calls in the main guard and in functions", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self, n_in, n_out, **kwargs):
        super().__init__()
        self.fc = nn.Linear(n_in, n_out, **kwargs)
class Other(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc = nn.Linear(n, n)
def train(data, n=5):
    side = 28
    size, classes = side * side, 10
    model = Net(size, n_out=classes, bias=False).to("cpu")
if __name__ == "__main__":
    width = 7
    Other(width + 1)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["fc Linear(784, 10)"]);
    assert.deepEqual(layersOf(modelNamed(opened, "Other")), ["fc Linear(8, 8)"]);
  });

  it("inherits from classes of the file and of torch.nn", async () => {
    const opened = await readTorch(`
class Base(nn.Module):
    hidden = 4
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, self.hidden)
class Wide(Base):
    hidden = 8
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(self.hidden, 1)
class Mine(nn.Linear):
    def __init__(self, n=3):
        super().__init__(n, n + 1)
class Seq(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(1, 2), nn.Tanh())
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Wide")), ["fc Linear(2, 8)", "out Linear(8, 1)"]);
    assert.deepEqual(layersOf(modelNamed(opened, "Seq")), ["0 Linear(1, 2)", "1 Tanh"]);
    const mine = modelNamed(opened, "Mine");
    assert.deepEqual([mine.root.inFeatures, mine.root.outFeatures, mine.root.parameters], [3, 4, 16]);
  });

  it("counts tied parameters once and says what they are tied to", async () => {
    const opened = await readTorch(`
class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(11, 4)
        self.head = nn.Linear(4, 11, bias=False)
        self.head.weight = self.tok.weight
`);
    const lm = modelNamed(opened, "LM");
    assert.equal(lm.root.parameters, 44);
    assert.deepEqual(
      lm.stateDict.map((p) => [p.path, p.tiedTo]),
      [
        ["tok.weight", undefined],
        ["head.weight", "tok.weight"],
      ],
    );
  });

  it("keeps persistent buffers in the state dict and others out of it", async () => {
    const opened = await readTorch(`
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("mask", torch.tril(torch.ones(4, 4)))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
`);
    const m = modelNamed(opened, "M");
    assert.deepEqual(
      m.stateDict.map((p) => [p.path, p.buffer, p.shape]),
      [
        ["scale", false, [3]],
        ["mask", true, [4, 4]],
      ],
    );
    assert.equal(m.root.parameters, 3);
  });

  it("keeps HTML in a layer's name as it is", async () => {
    const opened = await readTorch(`
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("<b>x</b>", nn.Linear(1, 2))
`);
    assert.equal(modelNamed(opened, "M").root.children[0]!.path, "<b>x</b>");
  });
});

describe("python reader: code that cannot be evaluated", () => {
  it("shows unknown dimensions as unknown and says which parameters they depend on", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self, dim, depth):
        super().__init__()
        self.a = nn.Linear(dim, dim * 2)
        self.b = nn.Linear(10, 20)
        self.c = nn.Linear(dim, 5)
`);
    const net = modelNamed(opened, "Net");
    assert.deepEqual(layersOf(net), ["a Linear", "b Linear(10, 20)", "c Linear(undefined, 5)"]);
    assert.equal(net.root.parameters, undefined);
    assert.equal(net.root.children[1]!.parameters, 220);
    assert.deepEqual(net.stateDict[0]!.shape, [undefined, undefined]);
    assert.equal(opened.problems.length, 1);
    assert.equal(opened.problems[0]!.severity, "information");
    assert.match(opened.problems[0]!.message, /^dim and depth of Net are unknown/);
    assert.throws(() => net.initialize(0), /cannot be initialized: the shape of a\.weight is unknown/);
  });

  it("names the import that was not followed, at the layer that needs it", async () => {
    const opened = await readTorch(`
from settings import HIDDEN
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, HIDDEN)
`);
    assert.deepEqual(messages(opened), [
      "9: out_features of a is unknown: the import of HIDDEN from settings was not followed",
    ]);
  });

  it("takes neither branch of an if that cannot be decided", async () => {
    const opened = await readTorch(`
import settings
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = 4
        if settings.wide:
            width = 8
            self.extra = nn.Linear(1, 1)
        else:
            self.extra = nn.Linear(2, 2)
        self.a = nn.Linear(width, 2)
        self.b = nn.Linear(3, 3)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["a Linear(undefined, 2)", "b Linear(3, 3)"]);
    assert.ok(messages(opened).includes("10: this if is not evaluated: the import of settings was not followed"));
  });

  it("skips a loop over an unknown range and says so", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(depth)])
        for i in range(depth):
            x = i
        self.head = nn.Linear(x, 2)
        self.tail = nn.Linear(3, 2)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["head Linear(undefined, 2)", "tail Linear(3, 2)"]);
    const lines = opened.problems.map((p) => p.place.line);
    assert.ok(lines.includes(8) && lines.includes(9), messages(opened).join("\n"));
  });

  it("reports a Python error in __init__ in Python's words, keeps the layers before it and reads the other classes", async () => {
    const opened = await readTorch(`
class Bad(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
        self.b = nn.Linear(3)
        self.c = nn.Linear(4, 5)
class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
`);
    assert.deepEqual(messages(opened), [
      "9: TypeError: Linear.__init__() missing 1 required positional argument: 'out_features'",
    ]);
    assert.equal(opened.problems[0]!.severity, "error");
    assert.deepEqual(layersOf(modelNamed(opened, "Bad")), ["a Linear(1, 2)"]);
    assert.deepEqual(layersOf(modelNamed(opened, "Good")), ["a Linear(1, 2)"]);
  });

  it("reports a forgotten super().__init__() as PyTorch does", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        self.a = nn.Linear(1, 2)
`);
    assert.deepEqual(messages(opened), ["7: AttributeError: cannot assign module before Module.__init__() call"]);
  });

  it("reads a training script's model without complaint about its loop", async () => {
    const opened = await readTorch(`
from torch.utils.data import DataLoader
import torchvision, argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=32)
args = parser.parse_args()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(x)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = Net().to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
loader = DataLoader(torchvision.datasets.MNIST("."), batch_size=args.batch)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        print(f"{loss.item():.3f}")
torch.save(model.state_dict(), os.path.join("out", "m.pt"))
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["fc Linear(4, 2)"]);
  });

  it("goes on after an assignment that it cannot evaluate, whose target is then unknown", async () => {
    const opened = await readTorch(`
import settings
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = torch.zeros(4)
        sizes[settings.n] = 1
        self.register_buffer("sizes", sizes)
        self.fc = nn.Linear(4, 2)
        a, b = settings.pair
        self.ab = nn.Linear(a, b)
`);
    const net = modelNamed(opened, "Net");
    assert.deepEqual(layersOf(net), ["fc Linear(4, 2)", "ab Linear"]);
    assert.deepEqual(
      opened.problems.map((p) => [p.place.line, p.severity]),
      [
        [10, "warning"],
        [14, "information"],
      ],
    );
  });

  it("treats an unknown base class as nn.Module when the class has a forward", async () => {
    const opened = await readTorch(`
import composer
class Net(composer.ComposerModel):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(x)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["fc Linear(4, 2)"]);
    assert.match(messages(opened)[0]!, /^6: Net is read as an nn\.Module: .* composer was not followed/);
  });
});

describe("python reader: broken files", () => {
  it("reports a syntax error at its line and reads the other classes", async () => {
    const opened = await readTorch(`
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
        self.b = nn.Linear(3, 4))

class B(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(5, 6)
`);
    assert.equal(opened.problems[0]!.place.line, 9);
    assert.match(opened.problems[0]!.message, /^Python syntax error/);
    assert.deepEqual(layersOf(modelNamed(opened, "B")), ["a Linear(5, 6)"]);
    assert.ok(layersOf(modelNamed(opened, "A")).includes("a Linear(1, 2)"));
  });

  it("does not evaluate a statement that holds a syntax error", async () => {
    const opened = await readTorch(`
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2 3)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "A")), []);
    assert.equal(opened.problems[0]!.place.line, 8);
  });

  it("finds no models in an empty file and in one with only comments", async () => {
    assert.deepEqual(await read(""), { file: "model.py", models: [], problems: [] });
    assert.deepEqual((await read("# nothing\n\n")).problems, []);
  });

  it("refuses binary content with a message", async () => {
    const opened = await read("\u0000\u0001PK\u0003");
    assert.match(opened.problems[0]!.message, /not Python source/);
    const garbage = await read("\u0001\u0002)}{]\ufffd\ufffd !!! \u0007 @@ ((( \n".repeat(500));
    assert.ok(garbage.problems.length > 0 && garbage.problems.length < 60);
  });

  it("reads a file of nearly 2 MB, and refuses one of 5", async function () {
    this.timeout(60_000);
    const net =
      "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(3, 4)\n";
    const doc = "Words about what this function does and why. ".repeat(20);
    const one = `def f(a, b=2):\n    """${doc}"""\n    return [a + b for _ in range(3)]\n\n`;
    const text = net + one.repeat(Math.floor((1.9 * 1024 * 1024) / one.length));
    assert.deepEqual(layersOf(modelNamed(await read(text), "Net")), ["a Linear(3, 4)"]);
    const table = `TABLE = [\n${"    [1.5, -2.25, 'name'],\n".repeat(12_000)}]\n`;
    const withTable = await read(`${table}${net}        self.b = nn.Linear(TABLE, 1)\n`);
    assert.deepEqual(layersOf(modelNamed(withTable, "Net")), ["a Linear(3, 4)", "b Linear(undefined, 1)"]);
    assert.match(messages(withTable)[0]!, /^1: a literal of more than 100 thousand parts is not supported/);
    const refused = await read("#".repeat(5 * 1024 * 1024));
    assert.deepEqual(messages(refused), ["1: this file is 5.0 MB long; files of more than 2 MB are not read"]);
  });
});

describe("python reader: attributes of layers", () => {
  // The values are PyTorch 2.13's.
  it("gives sizes that hold for each dimension as tuples, and keeps a list's methods", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding="same")
        self.up = nn.ConvTranspose1d(2, 2, 4, stride=2)
        self.norm = nn.LayerNorm(6)
        self.blocks = nn.ModuleList([nn.Linear(2, 2)])
        a = self.conv.kernel_size + self.conv.stride + self.up.kernel_size + self.up.output_padding
        self.fc = nn.Linear(sum(a), self.norm.normalized_shape[0])
        for module in self.blocks.modules():
            module.requires_grad_(False)
        self._modules["fc"] = nn.Linear(*[f.in_features for f in [self._modules["fc"]]], 9)
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")).slice(-2), ["blocks.0 Linear(2, 2)", "fc Linear(12, 9)"]);
  });
});
