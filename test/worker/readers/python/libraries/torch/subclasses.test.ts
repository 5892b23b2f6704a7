import assert from "node:assert/strict";
import type { Model } from "../../../../../../src/worker/readers/model";
import { summarize } from "../../../../../../src/worker/readers/summary";
import { modelNamed, readTorch } from "../../reading";

/** Classes that derive from torch's layers and read their attributes, as LoRA written by hand does. */

const LORA = `
class LoRALayer:
    def __init__(self, r, alpha):
        self.r, self.alpha = r, alpha

class Embedding(nn.Embedding, LoRALayer):
    def __init__(self, rows, width, r=0, alpha=1, **kwargs):
        nn.Embedding.__init__(self, rows, width, **kwargs)
        LoRALayer.__init__(self, r, alpha)
        if r > 0:
            self.lora_A = nn.Parameter(self.weight.new_zeros((r, rows)))
            self.lora_B = nn.Parameter(self.weight.new_zeros((width, r)))
            self.weight.requires_grad = False
        self.reset_parameters()

    def reset_parameters(self):
        nn.Embedding.reset_parameters(self)
        if hasattr(self, "lora_A"):
            nn.init.zeros_(self.lora_A)
            nn.init.normal_(self.lora_B)

    def forward(self, x):
        result = nn.Embedding.forward(self, x)
        if self.r > 0:
            after = F.embedding(x, self.lora_A.transpose(0, 1), self.padding_idx, self.max_norm, self.norm_type,
                                self.scale_grad_by_freq, self.sparse)
            result += after @ self.lora_B.transpose(0, 1) * (self.alpha / self.r)
        return result

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = Embedding(10, 6, r=2, alpha=4)
        self.head = nn.Linear(6, 10, bias=False)

    def forward(self, ids):
        return self.head(self.wte(ids))
`;

const trained = (model: Model): number =>
  model.stateDict
    .filter(({ frozen, buffer, tiedTo }) => !frozen && !buffer && tiedTo === undefined)
    .reduce((sum, { shape }) => sum + shape.reduce<number>((n, d) => n * d!, 1), 0);

const floats = (...shape: number[]) => ({ inputs: [{ name: "x", shape, dtype: "float32" as const }] });

describe("classes that derive from torch's layers", () => {
  it("read the attributes of an Embedding, also those that are None", async () => {
    const opened = await readTorch(LORA);
    const model = modelNamed(opened, "Net");
    assert.equal(model.root.parameters, 60 + 20 + 12 + 60);
    assert.equal(trained(model), 20 + 12 + 60);
    const traced = model.trace({ inputs: [{ name: "ids", shape: [2, 3], dtype: "int64" }] });
    assert.deepEqual(traced.graph.output("output").shape, [2, 3, 10]);
    assert.deepEqual(
      opened.problems.filter(({ severity }) => severity === "error"),
      [],
    );
  });

  it("are listed among the layers under their own names", async () => {
    const source = `${LORA}
class Conv(nn.Conv2d):
    pass

class Block(nn.Sequential):
    pass

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = Embedding(10, 6)
        self.conv = Conv(1, 2, 3)
        self.block = Block(nn.ReLU())
        self.net = Net()
`;
    const { models } = summarize(await readTorch(source));
    const layers = models.find((model) => model.class === "Whole")!.layers;
    assert.deepEqual(
      layers.map(({ path, kind, inFeatures, outFeatures }) => [path, kind, inFeatures, outFeatures]),
      [
        ["wte", "Embedding", 10, 6],
        ["conv", "Conv", null, null],
        ["block.0", "ReLU", null, null],
        ["net.wte", "Embedding", 10, 6],
        ["net.head", "Linear", 6, 10],
      ],
    );
  });

  for (const [what, definition, shape, output] of [
    [
      "a pooling's stride, which is its size by default",
      `class Net(nn.MaxPool2d):
    def __init__(self):
        super().__init__(2)
    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
`,
      [1, 1, 8, 8],
      [1, 1, 4, 4],
    ],
    [
      "a convolution's padding as F.pad takes it",
      `class Net(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 4, padding="same")
    def forward(self, x):
        x = F.pad(x, self._reversed_padding_repeated_twice)
        return F.conv2d(x, self.weight, self.bias, self.stride, (0, 0), self.dilation, self.groups)
`,
      [1, 1, 8, 8],
      [1, 2, 8, 8],
    ],
    [
      "an attention's head_dim and whether its inputs have one width",
      `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.MultiheadAttention(8, 2)
    def forward(self, x):
        a = self.a
        assert a._qkv_same_embed_dim and a.bias_k is None and a.kdim == a.embed_dim
        q, k, v = F.linear(x, a.in_proj_weight, a.in_proj_bias).chunk(3, -1)
        return q.view(*x.shape[:-1], a.num_heads, a.head_dim)
`,
      [3, 1, 8],
      [3, 1, 2, 4],
    ],
    [
      "an RMSNorm's eps that is None",
      `class Net(nn.RMSNorm):
    def __init__(self):
        super().__init__(6)
    def forward(self, x):
        eps = self.eps if self.eps is not None else torch.finfo(x.dtype).eps
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * self.weight
`,
      [2, 6],
      [2, 6],
    ],
    [
      "the weights of a recurrent layer by list",
      `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 6, 2, bidirectional=True)
        for names in self.rnn._all_weights:
            for name in filter(lambda n: "bias" in n, names):
                getattr(self.rnn, name).data.fill_(0.0)
        self.rnn.flatten_parameters()
    def forward(self, x):
        return F.linear(x, self.rnn.all_weights[1][0]) if self.rnn.mode == "GRU" else None
`,
      [5, 1, 4],
      [5, 1, 18],
    ],
    [
      "a batch normalization by the base of all of them",
      `from torch.nn.modules.batchnorm import _BatchNorm

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.BatchNorm1d(3), nn.Linear(3, 4))
        for m in self.modules():
            if isinstance(m, (_BatchNorm, nn.GroupNorm)) and m.track_running_stats:
                self.add_module("more", nn.Linear(4, 7))
`,
      [2, 3],
      [2, 7],
    ],
  ] as const) {
    it(`read ${what}`, async () => {
      const opened = await readTorch(definition);
      const model = modelNamed(opened, "Net");
      const name = definition.includes("nn.Sequential)") ? "input" : "x";
      const inputs = floats(...shape).inputs.map((input) => ({ ...input, name }));
      assert.deepEqual(model.trace({ inputs }).graph.output("output").shape, output);
    });
  }

  it("follow dropout that is switched off by its attribute", async () => {
    const source = `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
        for m in self.modules():
            if isinstance(m, nn.Dropout):
                m.p = 0.0
    def forward(self, x):
        return self.drop(x) * 2
`;
    const model = modelNamed(await readTorch(source), "Net");
    const ops = model.trace({ ...floats(2, 3), training: true }).graph.nodes.map(({ op }) => op);
    assert.ok(!ops.includes("dropout"), ops.join());
  });

  it("give what the state dict holds", async () => {
    const source = `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 5)
        widths = [v.shape[0] for k, v in self.a.state_dict().items() if k.endswith("weight")]
        self.b = nn.Linear(widths[0], len(self.a.state_dict()))
    def forward(self, x):
        return self.b(self.a(x)) + self.state_dict()["b.bias"]
`;
    const model = modelNamed(await readTorch(source), "Net");
    assert.deepEqual(model.trace(floats(4, 3)).graph.output("output").shape, [4, 2]);
  });
});
