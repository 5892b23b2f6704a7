import assert from "node:assert/strict";
import type { ModelFile } from "../../../../../src/worker/readers/model";
import { walkModules } from "../../../../../src/worker/readers/model";
import { layersOf, messages, modelNamed, readTorch } from "../reading";

/** `fc 8x4`, ... of a model's linear layers. */
function linears(opened: ModelFile, name: string): string[] {
  return [...walkModules(modelNamed(opened, name).root)]
    .filter((m) => m.kind === "Linear")
    .map((m) => `${m.path} ${m.inFeatures}x${m.outFeatures}`);
}

const NET = `
class Net(nn.Module):
    def __init__(self, width, classes, bias=True):
        super().__init__()
        self.fc = nn.Linear(width, classes, bias=bias)
    def forward(self, x):
        return self.fc(x)
`;

describe("models that a training script makes", () => {
  it("takes argparse's defaults, as the script does when it is started without arguments", async () => {
    const opened = await readTorch(`
import argparse
${NET}
def main():
    parser = argparse.ArgumentParser(description="trains")
    parser.add_argument("--hidden-width", "-w", type=int, default="48", help="text default, read by type")
    group = parser.add_argument_group("output")
    group.add_argument("--classes", type=int, default=7)
    parser.add_argument("--no-bias", dest="bias", action="store_false")
    args = parser.parse_args()
    model = Net(args.hidden_width, args.classes, bias=args.bias).to("cpu")
    print(model(torch.zeros(3, args.hidden_width)))
if __name__ == "__main__":
    main()
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(linears(opened, "Net"), ["fc 48x7"]);
    assert.equal(modelNamed(opened, "Net").root.children[0]?.bias, true);
    const traced = modelNamed(opened, "Net").trace();
    assert.equal(traced.inputsFrom, "the call at line 22");
    assert.deepEqual(traced.inputs[0]?.shape, [3, 48]);
  });

  it("is made with the configuration that the call had, not with what the constructor made of it", async () => {
    const opened = await readTorch(`
class Config:
    def __init__(self, **fields):
        self.__dict__.update(fields)
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert (config.model_type is not None) ^ (config.width is not None)
        if config.width is None:
            config.width = {"small": 3, "large": 9}[config.model_type]
        self.fc = nn.Linear(config.width, 2)
    def forward(self, x):
        return self.fc(x)
config = Config(model_type="small", width=None)
model = Net(config)
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(linears(opened, "Net"), ["fc 3x2"]);
  });

  it("an argument that has to be given is unknown, and only what depends on it", async () => {
    const opened = await readTorch(`
import argparse
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, 4)
        self.second = nn.Linear(4, 2)
    def forward(self, x):
        return self.second(self.first(x))
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, required=True)
parser.add_argument("data")
args = parser.parse_args()
net = Net(args.width)
`);
    assert.deepEqual(linears(opened, "Net"), ["first undefinedx4", "second 4x2"]);
  });

  it("gives functions and classes the names that the main guard assigns", async () => {
    const opened = await readTorch(`
import argparse
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(args.width, 2)
    def forward(self, x):
        return self.fc(x)
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", default=12)
    args = parser.parse_args()
    net = Net()
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(linears(opened, "Net"), ["fc 12x2"]);
  });

  it("follows values into the functions that make the model", async () => {
    const opened = await readTorch(`
${NET}
def add_classes(settings):
    settings["classes"] = 5
def build(settings, scale=2):
    width = settings["width"] * scale
    return Net(width, settings["classes"])
def evaluate(model, batch):
    return model(batch)
def main():
    settings = {"width": 8}
    settings["width"] += 1
    add_classes(settings)
    network = build(settings)
    evaluate(network, torch.rand(4, 18))
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(linears(opened, "Net"), ["fc 18x5"]);
    assert.deepEqual(modelNamed(opened, "Net").trace().inputs[0]?.shape, [4, 18]);
  });

  it("decides branches on the way, and does not run code that the model does not depend on", async () => {
    const opened = await readTorch(`
${NET}
def main(kind="large"):
    if kind == "large":
        width = 64
    else:
        width = 16
    total = 0
    while True:
        total += 1
    for width_of_it in [width, 32]:
        net = Net(width_of_it, 3)
`);
    assert.deepEqual(messages(opened), []);
    assert.deepEqual(linears(opened, "Net"), ["fc 64x3"]);
  });
});

describe("numbers of NumPy", () => {
  it("are numbers; only results of arrays are unknown", async () => {
    const opened = await readTorch(`
import numpy as np
from numpy import random
class Net(nn.Module):
    def __init__(self, shape=(2, 3)):
        super().__init__()
        self.fc = nn.Linear(int(np.prod(shape)), int(np.sqrt(16) + np.ceil(2.1)))
        self.scale = np.log(np.e) * np.cos(0)
        self.register_buffer("mask", torch.full((4, 4), -np.inf).triu_(1))
        self.table = torch.from_numpy(np.zeros((3, 3)))
    def forward(self, x):
        return self.fc(x) * self.scale + self.mask[0, 0]
`);
    assert.deepEqual(linears(opened, "Net"), ["fc 6x7"]);
    const { graph } = modelNamed(opened, "Net").trace();
    assert.deepEqual(graph.output("output").shape, [2, 7]);
  });
});

describe("a model that the script makes float64", () => {
  it("has float64 weights and inputs, as its forward expects", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(1, 3)
        self.register_buffer("scale", torch.arange(3).float())
    def forward(self, input):
        h = torch.zeros(input.size(0), 3, dtype=torch.double)
        c = torch.zeros(size=(input.size(0), 3), dtype=torch.double)
        for x in input.split(1, dim=1):
            h, c = self.cell(x, (h, c))
        return h * self.scale
if __name__ == "__main__":
    net = Net()
    net.double()
`);
    const model = modelNamed(opened, "Net");
    assert.deepEqual([...new Set(model.stateDict.map((entry) => entry.dtype))], ["float64"]);
    const { graph, inputs } = model.trace();
    assert.deepEqual(inputs, [{ name: "input", shape: [2, 16], dtype: "float64" }]);
    assert.equal(graph.output("output").dtype, "float64");
    assert.equal(model.initialize(0).get("cell.weight_ih")?.dtype, "float64");
  });

  it("reports nothing about the script's other uses of tensors: gradients, memory, choices by their values", async () => {
    const opened = await readTorch(`${NET}
net = Net(4, 2)
loss = net(torch.zeros(3, 4)).sum()
loss.backward()
for p in net.parameters():
    print(p.grad.abs().mean(), p.element_size() * p.nelement())
if net.fc.weight.data_ptr() == loss.untyped_storage().data_ptr():
    same = True
    print("shared")
`);
    assert.deepEqual(messages(opened), []);
  });

  it("reports no error for a tensor of unknown sizes or a message about an unknown value", async () => {
    const opened = await readTorch(`
device = torch.accelerator.current_accelerator().type

class Kernel(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.kernel = nn.Parameter(torch.Tensor(rows, columns, 3))
        nn.init.xavier_normal_(self.kernel)
        self.fc = nn.Linear(3, 4)

def check(path):
    raise RuntimeError(f"nothing in {path}")

import somewhere
check(somewhere.folder)
`);
    assert.deepEqual(
      opened.problems.filter((p) => p.severity === "error").map((p) => p.message),
      [],
    );
    assert.ok(opened.problems.some((p) => p.severity === "warning" && /RuntimeError: .*<unknown>/.test(p.message)));
    assert.deepEqual(
      modelNamed(opened, "Kernel").stateDict.map(({ path, shape }) => [path, shape]),
      [
        ["kernel", [undefined, undefined, 3]],
        ["fc.weight", [4, 3]],
        ["fc.bias", [4]],
      ],
    );
  });

  it("still reports a mistyped attribute of a tensor", async () => {
    const opened = await readTorch("x = torch.zeros(2)\nprint(x.shap)\n");
    assert.deepEqual(messages(opened), ["5: AttributeError: 'Tensor' object has no attribute 'shap'"]);
  });

  it("reads a class that inherits a builtin constructor with the file's arguments", async () => {
    const opened = await readTorch(`
class Wide(nn.Linear):
    pass
class Head(nn.Linear):
    pass
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = Wide(4, 8)
    def forward(self, x):
        return self.fc(x)
`);
    assert.equal(modelNamed(opened, "Wide").root.parameters, 40);
    assert.equal(modelNamed(opened, "Head").root.parameters, undefined);
    assert.match(messages(opened).join(), /^\d+: in_features and out_features of Head are unknown/);
  });
});

describe("a function that makes the model", () => {
  const net = `class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc = nn.Linear(n, n)
class Net(nn.Module):
    def __init__(self, block, layers, width):
        super().__init__()
        self.body = nn.Sequential(*[block(width) for _ in range(sum(layers))])
        self.head = nn.Linear(width, 10)
        layers.clear()
`;
  const expected = ["body.0.fc Linear(8, 8)", "body.1.fc Linear(8, 8)", "head Linear(8, 10)"];

  it("is called if it passes its arguments on, like torchvision's", async () => {
    const opened = await readTorch(`${net}def make(block, layers, **kwargs):
    return Net(block, layers, **kwargs)  # which empties the list
def net18(pretrained=False, **kwargs):
    return make(Block, [1, 1], width=8, **kwargs)
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), expected);
    assert.deepEqual(layersOf(modelNamed(opened, "Block")), ["fc Linear(8, 8)"]);
    assert.deepEqual(messages(opened), []);
  });

  it("is called if the class is an argument, like timm's, and its errors are not reported", async () => {
    const opened = await readTorch(`${net}def build(cls, *args, **kwargs):
    return cls(*args, **kwargs)
def broken():
    return build(Net, 1 / 0)
def net18():
    model = build(Net, Block, [1, 1], width=8)
    raise KeyError("weights")
    return model
`);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), expected);
    assert.deepEqual(messages(opened), []);
  });
});

describe("classes that a loop over a model's modules constructs", () => {
  const source = (loop: string) => `
class Wrapped(nn.Module):
    def __init__(self, layer, rank):
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.in_features, rank, bias=False)

def wrap(model, rank):
    for name, module in model.named_children():
${loop}

def main():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    wrap(model, rank=3)
`;
  const down = async (loop: string) => {
    const found = await readTorch(source(loop));
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity === "error"),
      [],
    );
    return layersOf(modelNamed(found, "Wrapped")).filter((layer) => layer.startsWith("down"));
  };

  it("get the first module that reaches the call", async () => {
    const guarded =
      "        if isinstance(module, nn.Linear):\n            setattr(model, name, Wrapped(module, rank))";
    assert.deepEqual(await down(guarded), ["down Linear(4, 3)"]);
    const skipped =
      "        if not isinstance(module, nn.Linear):\n            continue\n        setattr(model, name, Wrapped(module, rank))";
    assert.deepEqual(await down(skipped), ["down Linear(4, 3)"]);
    const otherwise =
      "        if name in ('0', '1', '2'):\n            pass\n        else:\n            setattr(model, name, Wrapped(module, rank))";
    assert.deepEqual(await down(otherwise), ["down Linear(6, 3)"]);
    const nested =
      "        if isinstance(module, nn.Linear):\n            with torch.no_grad():\n                if module.in_features > 5:\n                    setattr(model, name, Wrapped(module, rank))";
    assert.deepEqual(await down(nested), ["down Linear(6, 3)"]);
  });

  it("get an unknown argument if none does, and the call's other arguments stay known", async () => {
    const never = "        if isinstance(module, nn.Conv2d):\n            setattr(model, name, Wrapped(module, rank))";
    assert.deepEqual(await down(never), ["down Linear(undefined, 3)"]);
  });
});
