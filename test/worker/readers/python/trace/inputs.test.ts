import assert from "node:assert/strict";
import { modelNamed, readTorch } from "../reading";

/** `name dtype [shape]` of what the model is traced with. */
async function inputsOf(source: string, name = "Net", options: { batch?: number } = {}): Promise<string[]> {
  const opened = await readTorch(source);
  const { inputs } = modelNamed(opened, name).trace(options);
  return inputs.map((i) => `${i.name} ${i.dtype} [${i.shape.join(", ")}]`);
}

describe("example inputs inferred from the code", () => {
  it("a recurrent network's, and its state as a tuple or a tensor", async () => {
    const source = (kind: string, first: boolean) => `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.rnn = nn.${kind}(6, 8, 3, batch_first=${first ? "True" : "False"})
        self.head = nn.Linear(8, 20)
    def forward(self, tokens, hidden):
        out, hidden = self.rnn(self.embed(tokens), hidden)
        return self.head(out), hidden
`;
    assert.deepEqual(await inputsOf(source("LSTM", true)), [
      "tokens int64 [2, 16]",
      "hidden_0 float32 [3, 2, 8]",
      "hidden_1 float32 [3, 2, 8]",
    ]);
    assert.deepEqual(await inputsOf(source("GRU", false)), ["tokens int64 [2, 16]", "hidden float32 [3, 16, 8]"]);
    assert.deepEqual(await inputsOf(source("GRU", true), "Net", { batch: 5 }), [
      "tokens int64 [5, 16]",
      "hidden float32 [3, 5, 8]",
    ]);
  });

  it("takes a tuple that a call gives, and one that the user gives by its items", async () => {
    const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
    def forward(self, pair, scale):
        left, right = pair
        return self.fc(left) * scale - self.fc(right)
net = Net()
net((torch.randn(5, 4), torch.randn(1, 4)), 2.0)
`;
    assert.deepEqual(await inputsOf(source), ["pair_0 float32 [5, 4]", "pair_1 float32 [1, 4]"]);
    const model = modelNamed(await readTorch(source.replace("net((", "print((")), "Net");
    const spec = (name: string, shape: readonly number[]) => ({ name, shape, dtype: "float32" as const });
    const inputs = [spec("pair_0", [2, 4]), spec("pair_1", [2, 4]), spec("scale", [3])];
    assert.deepEqual(model.trace({ inputs }).graph.output("output").shape, [2, 3]);
    assert.throws(() => model.trace({ inputs: inputs.slice(2) }), /needs the input "pair"/);
  });

  it("an image of the size its constructor was given", async () => {
    const source = `
class Patches(nn.Module):
    def __init__(self, image_size, patch, width, channels=1):
        super().__init__()
        self.patch = patch
        self.project = nn.Linear(channels * patch * patch, width)
        self.place = nn.Parameter(torch.zeros(1, (image_size // patch) ** 2, width))
    def forward(self, img):
        b, c, h, w = img.shape
        p = self.patch
        x = img.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
        return self.project(x) + self.place
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.patches = Patches(config["image_size"], patch=4, width=8)
    def forward(self, img):
        return self.patches(img).mean(1)
net = Net({"image_size": 20})
`;
    assert.deepEqual(await inputsOf(source), ["img float32 [2, 1, 20, 20]"]);
  });

  for (const [what, init, forward, expected] of [
    [
      "features, where a Linear takes so many",
      "input_size=784|self.fc = nn.Linear(input_size, 10)",
      "self.fc(x)",
      "[2, 784]",
    ],
    [
      "features under an image's name, as of GANs of flat images",
      "image_size=784|self.fc = nn.Sequential(nn.Linear(image_size, 32), nn.ReLU(), nn.Linear(32, image_size))",
      "self.fc(x)",
      "[2, 784]",
    ],
    ["a tuple of features", "input_shape=(12,)|self.fc = nn.Linear(input_shape[0], 10)", "self.fc(x)", "[2, 12]"],
    [
      "features that forward flattens an image to",
      "input_size=784|self.fc = nn.Linear(input_size, 10)",
      "self.fc(x.view(x.size(0), x.size(1) * x.size(2) * x.size(3)))",
      "[2, 1, 28, 28]",
    ],
    [
      "features that forward flattens a colored image to",
      "input_size=192|self.fc = nn.Linear(input_size, 10)",
      "self.fc(x.view(x.size(0), x.size(1) * x.size(2) * x.size(3)))",
      "[2, 3, 8, 8]",
    ],
    [
      "features of a recurrent layer",
      "input_size=28|self.rnn = nn.LSTM(input_size, 12, batch_first=True)",
      "self.rnn(x)[0]",
      "[2, 16, 28]",
    ],
    [
      "features of a matrix of its own",
      "input_size=20|self.w = nn.Parameter(torch.randn(input_size, 5))",
      "x @ self.w",
      "[2, 20]",
    ],
    ["channels of a signal", "input_size=6|self.conv = nn.Conv1d(input_size, 4, 3)", "self.conv(x)", "[2, 6, 16]"],
    ["a vocabulary", "input_size=30|self.table = nn.Embedding(input_size, 4)", "self.table(x)", "[2, 16]"],
    [
      "an image's side, which a convolution sees in the channels that it takes",
      "input_size=48|self.conv = nn.Conv2d(1, 4, 8, 8); self.fc = nn.Linear(4 * 36, input_size)",
      "self.fc(self.conv(x).flatten(1))",
      "[2, 1, 48, 48]",
    ],
    [
      "an image's two sides, flattened",
      "input_size=(6, 9)|self.fc = nn.Linear(54, 3)",
      "self.fc(torch.flatten(x, 1))",
      "[2, 1, 6, 9]",
    ],
    [
      "an image's side where a layer happens to be as wide",
      "image_size=16|self.fc = nn.Linear(3 * 64, 16); self.out = nn.Linear(16, 2)",
      "self.out(self.fc(x.reshape(x.shape[0], 3, x.shape[2] // 8, 8, x.shape[3] // 8, 8).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 192)))",
      "[2, 3, 16, 16]",
    ],
  ] as const) {
    it(`a size that the constructor is given is ${what}`, async () => {
      const [given, made] = init.split("|");
      const statements = made!.replaceAll("; ", "\n        ");
      const source = `
class Net(nn.Module):
    def __init__(self, ${given}):
        super().__init__()
        ${statements}
    def forward(self, x):
        return ${forward}
`;
      const dtype = what === "a vocabulary" ? "int64" : "float32";
      assert.deepEqual(await inputsOf(source), [`x ${dtype} ${expected}`]);
    });
  }

  it("have the shape that forward reshapes its input to", async () => {
    const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(input_size=9, hidden_size=5, batch_first=True)
        self.fc = nn.Linear(5, 2)
    def forward(self, image):
        image = image.reshape(-1, 7, 9)
        return self.fc(self.rnn(image)[0][:, -1])
`;
    assert.deepEqual(await inputsOf(source), ["image float32 [2, 7, 9]"]);
  });

  it("a graph's adjacency matrix fits its nodes, and a mask that may be left out is", async () => {
    const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 3))
    def forward(self, nodes, adj_mat, mask):
        nodes = torch.mm(adj_mat, torch.mm(nodes, self.kernel))
        return nodes if mask is None else nodes * mask
`;
    assert.deepEqual(await inputsOf(source), ["nodes float32 [2, 6]", "adj_mat float32 [2, 2]"]);
  });

  it("a part gets the inputs of the model that contains it: the dtype, positions, and an unchanged mask", async () => {
    const source = `
class Attention(nn.Module):
    def __init__(self, width, head):
        super().__init__()
        self.q = nn.Linear(width, head, bias=False, dtype=torch.bfloat16)
        self.k = nn.Linear(width, head, bias=False, dtype=torch.bfloat16)
    def forward(self, x, mask, cos, sin, offset):
        cos, sin = cos[offset : offset + x.shape[1]], sin[offset : offset + x.shape[1]]
        q, k = self.q(x) * cos, self.k(x) * sin
        return (q @ k.mT).masked_fill(mask, -torch.inf).softmax(-1)

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.att = Attention(width, 6)
    def forward(self, x, mask, cos, sin):
        return x + self.att(self.norm(x).to(torch.bfloat16), mask, cos, sin, 0).sum()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.blocks = nn.ModuleList([Block(8) for _ in range(2)])
        self.register_buffer("cos", torch.ones(20, 6), persistent=False)
        self.sin = nn.Parameter(torch.ones(20, 6))
    def forward(self, tokens):
        x = self.embed(tokens)
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), diagonal=1)
        for block in self.blocks:
            x = block(x, mask, self.cos, self.sin)
        return x
`;
    assert.deepEqual(await inputsOf(source, "Attention"), ["x bfloat16 [2, 16, 8]", "sin float32 [20, 6]"]);
    assert.deepEqual(await inputsOf(source, "Block"), ["x float32 [2, 16, 8]", "sin float32 [20, 6]"]);
    assert.deepEqual(await inputsOf(source, "Block", { batch: 3 }), ["x float32 [3, 16, 8]", "sin float32 [20, 6]"]);
    const { inputsFrom } = modelNamed(await readTorch(source), "Attention").trace();
    assert.equal(inputsFrom, "the call in Net");
  });
});
