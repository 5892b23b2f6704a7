import { strict as assert } from "node:assert";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shapesOf } from "../../../../src/worker/language/fileShapes";
import { openModelFile } from "../../../../src/worker/readers/open";
import { summarize } from "../../../../src/worker/readers/summary";
import { writeFiles } from "../../readers/python/reading";

const IMPORTS = `import math
import torch
import torch.nn as nn
import torch.nn.functional as F
`;

/** A wrapper of a layer that it is given, right in every part. */
const WRAPPER = `${IMPORTS}
class LoraLinear(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 8, alpha: float = 16):
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features) * 0.01)
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.alpha = alpha
        self.scaling = alpha / r

    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)
`;

/** What puts it into a model. */
const INJECT = `
def inject(model, r=8, targets=("q_proj", "v_proj")):
    for name, child in model.named_children():
        if isinstance(child, nn.Linear) and name in targets:
            setattr(model, name, LoraLinear(child, r))
        else:
            inject(child, r, targets)
`;

/** In which the layer's sizes are given as numbers. */
const SIZED = `${IMPORTS}
class Lora(nn.Module):
    def __init__(self, in_dim, out_dim, rank, alpha):
        super().__init__()
        self.A = nn.Parameter(torch.randn(in_dim, rank) / math.sqrt(rank))
        self.B = nn.Parameter(torch.zeros(rank, out_dim))
        self.rank, self.alpha = rank, alpha

    def forward(self, x):
        return (self.alpha / self.rank) * (x @ self.A @ self.B)

class WithLora(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        self.lora = Lora(linear.in_features, linear.out_features, rank, alpha)

    def forward(self, x):
        return self.linear(x) + self.lora(x)
`;

const TRAIN = `
import torch
from torch import nn
from lora import LoraLinear

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = LoraLinear(nn.Linear(40, 24), 4)
    def forward(self, x):
        return self.fc(x)

def train(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
`;

/** The source with one line of it written otherwise. */
function changed(source: string, ...pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `no ${from} in the source`);
    return text.replace(from, to);
  }, source);
}

describe("handwritten LoRA in a file of its own", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-handwritten-")));
    writeFiles(folder, { "pyproject.toml": "" });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const opened = (file: string) => openModelFile(join(folder, file), undefined, { fresh: true });
  /** "lora-missing-scale: what the line says" */
  const findings = async (source: string, others: Record<string, string> = {}): Promise<string[]> => {
    writeFiles(folder, { "lora.py": source, ...others });
    const lines = source.split("\n");
    return shapesOf(await opened("lora.py")).problems.map(
      ({ code, line }) => `${code}: ${lines[line - 1]!.trim().slice(0, 48).trim()}`,
    );
  };
  const messages = async (): Promise<string[]> =>
    shapesOf(await opened("lora.py")).problems.map(({ message }) => message);

  it("is traced with stand-ins for the wrapped layer, and nothing is reported where it is right", async () => {
    assert.deepEqual(await findings(WRAPPER), []);
    assert.deepEqual(await findings(WRAPPER + INJECT), []);
  });

  it("gets a finding where alpha is not divided by the rank, whatever the names are", async () => {
    const line = "lora-alpha-without-rank: return self.base(x) + self.scaling * (x @ self.A";
    assert.deepEqual(await findings(changed(WRAPPER, ["alpha / r", "alpha"])), [line]);
    assert.deepEqual(await findings(changed(WRAPPER, ["alpha: float = 16", "alpha"], ["alpha / r", "alpha"])), [line]);
    // An attribute of that name may be divided already.
    const divided = changed(
      WRAPPER,
      ["self.alpha = alpha", "self.alpha = alpha / r"],
      ["self.scaling *", "self.alpha *"],
    );
    assert.deepEqual(await findings(divided), []);
    // Both by alpha / sqrt(r) and with the division where it is used.
    assert.deepEqual(await findings(changed(WRAPPER, ["alpha / r", "alpha / math.sqrt(r)"])), []);
    assert.deepEqual(
      await findings(changed(WRAPPER, ["alpha / r", "alpha"], ["self.scaling *", "self.scaling / 8 *"])),
      [],
    );
  });

  it("gets a finding where alpha is stored but never used, also where it equals the rank by default", async () => {
    for (const alpha of ["16", "8"]) {
      const source = changed(
        WRAPPER,
        ["float = 16", `float = ${alpha}`],
        ["self.scaling * (x @ self.A.T @ self.B.T)", "x @ self.A.T @ self.B.T  # scaled by alpha / r"],
      );
      assert.deepEqual(await findings(source), [
        "lora-missing-scale: return self.base(x) + x @ self.A.T @ self.B.T  #",
      ]);
    }
  });

  it("gets no such finding where alpha scales the initial values", async () => {
    const source = changed(
      WRAPPER,
      ["* 0.01", "* alpha / r"],
      ["self.scaling * (x @ self.A.T @ self.B.T)", "x @ self.A.T @ self.B.T"],
    );
    assert.deepEqual(await findings(source), []);
  });

  it("gets a finding where nothing scales the product of the factors", async () => {
    const merged = changed(WRAPPER, ["self.scaling * (x @ self.A.T @ self.B.T)", "F.linear(x, self.B @ self.A)"]);
    assert.deepEqual(await findings(merged), ["lora-missing-scale: return self.base(x) + F.linear(x, self.B @ self."]);
    for (const product of [
      "F.linear(x, self.scaling * self.B @ self.A)",
      "x @ (self.B @ self.A).T * self.scaling",
      "self.scaling * (x @ (self.A.T @ self.B.T))",
    ]) {
      assert.deepEqual(
        await findings(changed(WRAPPER, ["self.scaling * (x @ self.A.T @ self.B.T)", product])),
        [],
        product,
      );
    }
  });

  it("has its A and B told apart in a product of the two", async () => {
    for (const product of ["F.linear(x, self.B @ self.A)", "x @ (self.B @ self.A).T", "x @ (self.A.T @ self.B.T)"]) {
      const source = changed(WRAPPER, ["(x @ self.A.T @ self.B.T)", product], ["torch.zeros(base", "torch.randn(base"]);
      assert.equal((await findings(source)).length, 1, product);
      assert.match((await messages())[0]!, /^Neither of A and B starts at zero.* LoRA starts B at zero/, product);
    }
  });

  it("gets a finding where integer division makes the scaling 0", async () => {
    const source = changed(
      WRAPPER,
      ["r: int = 8", "r: int = 16"],
      ["float = 16", "float = 4"],
      ["alpha / r", "alpha // r"],
    );
    assert.deepEqual(await findings(source), ["lora-zero-scale: return self.base(x) + self.scaling * (x @ self.A"]);
    // Where somebody switches it off there is nothing to say.
    assert.deepEqual(
      await findings(
        changed(
          WRAPPER,
          ["alpha: float = 16", "scale: float = 0.0"],
          ["self.alpha = alpha", ""],
          ["alpha / r", "scale"],
        ),
      ),
      [],
    );
  });

  it("gets a finding where neither factor or both start at zero, unless a gate starts at zero", async () => {
    const at = "lora-initialization: return self.base(x) + self.scaling * (x @ self.A";
    assert.deepEqual(await findings(changed(WRAPPER, ["torch.zeros(base", "torch.randn(base"])), [at]);
    assert.deepEqual(await findings(changed(WRAPPER, ["torch.randn(r", "torch.zeros(r"])), [at]);
    const gated = changed(
      WRAPPER,
      ["torch.zeros(base", "torch.randn(base"],
      ["self.alpha = alpha", "self.gate = nn.Parameter(torch.zeros(1))"],
      ["self.scaling *", "self.gate * self.scaling *"],
    );
    assert.deepEqual(await findings(gated), []);
    assert.deepEqual(await findings(changed(gated, ["torch.zeros(1)", "torch.ones(1)"])), [
      "lora-initialization: return self.base(x) + self.gate * self.scaling *",
    ]);
  });

  it("gets a finding where a bias makes the path start at other values than zero", async () => {
    const source = changed(
      WRAPPER,
      ["nn.Parameter(torch.randn(r, base.in_features) * 0.01)", "nn.Linear(base.in_features, r, bias=False)"],
      [
        "nn.Parameter(torch.zeros(base.out_features, r))",
        "nn.Linear(r, base.out_features); nn.init.zeros_(self.B.weight)",
      ],
      ["(x @ self.A.T @ self.B.T)", "self.B(self.A(x))"],
    );
    assert.deepEqual(await findings(source), ["lora-initialization: return self.base(x) + self.scaling * self.B(self"]);
    assert.match((await messages())[0]!, /^B\.weight starts at zero, but its bias does not/);
    assert.deepEqual(await findings(changed(source, ["base.out_features);", "base.out_features, bias=False);"])), []);
  });

  it("gets a finding at an assignment that freezes nothing", async () => {
    const source = changed(WRAPPER, ["requires_grad_(False)", "requires_grad = False"]);
    assert.deepEqual(await findings(source), ["lora-not-frozen: self.base.requires_grad = False"]);
    assert.match((await messages())[0]!, /^This freezes nothing: a Module has no requires_grad/);
    assert.deepEqual(
      await findings(changed(WRAPPER, ["self.base.requires_grad_(False)", "self.base.weight.requires_grad = False"])),
      [],
    );
  });

  it("gets a finding about a trainable base only where the training code is known", async () => {
    const open = changed(WRAPPER, ["self.base.requires_grad_(False)", "pass  # freeze: requires_grad = False"]);
    const note = ["lora-not-frozen: return self.base(x) + self.scaling * (x @ self.A"];
    assert.deepEqual(await findings(open), []);
    assert.deepEqual(await findings(open, { "train.py": TRAIN }), note);
    for (const right of [
      changed(TRAIN, ["model.parameters()", "[p for n, p in model.named_parameters() if 'lora' in n]"]),
      changed(TRAIN, [
        "    optimizer",
        "    for p in model.fc.base.parameters(): p.requires_grad = False\n    optimizer",
      ]),
      changed(TRAIN, ["    optimizer", "    mark_only_lora_as_trainable(model)\n    optimizer"]),
    ]) {
      assert.deepEqual(await findings(open, { "train.py": right }), []);
    }
    const trainsAll = changed(TRAIN, ["model.parameters()", "filter(lambda p: p.requires_grad, model.parameters())"]);
    assert.deepEqual(await findings(open, { "train.py": trainsAll }), note);
    const part = "    params = [p for p in model.parameters() if p.ndim == 1]\n    optimizer";
    const some = changed(TRAIN, ["    optimizer", part], ["AdamW(model.parameters()", "AdamW(params"]);
    assert.deepEqual(await findings(open, { "train.py": some }), []);
    // A loop over modules, whose requires_grad is an attribute like any other.
    const loop = "    for m in model.modules(): m.requires_grad = False\n    optimizer";
    assert.deepEqual(await findings(open, { "train.py": changed(TRAIN, ["    optimizer", loop]) }), note);
    // A function that nobody calls freezes nothing.
    const freeze = "\ndef freeze(model):\n    for p in model.parameters():\n        p.requires_grad = False\n";
    assert.deepEqual(await findings(open + freeze, { "train.py": TRAIN }), note);
    assert.deepEqual(await findings(open + freeze, { "train.py": "import torch\n" }), []);
  });

  it("gets a finding where in and out are swapped, in a class and in its injecting function", async () => {
    const inClass = changed(SIZED, ["randn(in_dim", "randn(out_dim"], ["(rank, out_dim)", "(rank, in_dim)"]);
    assert.deepEqual(await findings(inClass), ["lora-transposed: return (self.alpha / self.rank) * (x @ self.A @"]);
    const [message] = await messages();
    assert.match(
      message!,
      /the left side `x` \[\.\.\., in_dim\] has last dimension in_dim, the right side `self\.A` \[out_dim, rank\] has out_dim rows/,
    );
    assert.doesNotMatch(message!, /672|1008|\b12\b/);
    const byCall = changed(SIZED, [
      "linear.in_features, linear.out_features",
      "linear.weight.shape[0], linear.weight.shape[1]",
    ]);
    assert.deepEqual(await findings(byCall), ["lora-transposed: return (self.alpha / self.rank) * (x @ self.A @"]);
    const patching = `${IMPORTS}
class LoRA(nn.Module):
    def __init__(self, in_features, out_features, rank):
        super().__init__()
        self.A = nn.Linear(in_features, rank, bias=False)
        self.B = nn.Linear(rank, out_features, bias=False)
        nn.init.zeros_(self.B.weight)
        self.alpha = rank

    def forward(self, x):
        return self.alpha / 8 * self.B(self.A(x))

def apply_lora(model, rank=8):
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            lora = LoRA(module.weight.shape[0], module.weight.shape[1], rank).to(model.device)
            setattr(module, "lora", lora)
            before = module.forward
            def forward_with_lora(x, layer1=before, layer2=lora):
                return layer1(x) + layer2(x)
            module.forward = forward_with_lora
`;
    const swapped = ["lora-transposed: return self.alpha / 8 * self.B(self.A(x))"];
    assert.deepEqual(await findings(patching), swapped);
    const right = changed(patching, ["shape[0], module.weight.shape[1]", "shape[1], module.weight.shape[0]"]);
    assert.deepEqual(await findings(right), []);
    // Only square layers are adapted: there is nothing to swap.
    const square = " and module.weight.shape[0] == module.weight.shape[1]:";
    assert.deepEqual(await findings(changed(patching, ["nn.Linear):", `nn.Linear)${square}`])), []);
  });

  it("gets a finding where a factor is not transposed, for any sizes", async () => {
    const source = changed(WRAPPER, ["self.B.T", "self.B"]);
    assert.deepEqual(await findings(source), ["lora-transposed: return self.base(x) + self.scaling * (x @ self.A"]);
    assert.match((await messages())[0]!, /`self\.B` may be meant as its \.T/);
  });

  it("gets no finding where a class needs more than a stand-in offers", async () => {
    const square = changed(SIZED, [
      "        self.A =",
      '        if in_dim != out_dim: raise ValueError("square only")\n        self.A =',
    ]);
    assert.deepEqual(await findings(square), []);
    const residual = changed(SIZED, ["return (self.alpha / self.rank) *", "return x + (self.alpha / self.rank) *"]);
    assert.deepEqual(await findings(residual), []);
    const sequence = changed(WRAPPER, ["def forward(self, x):", "def forward(self, x):\n        b, c, h, w = x.shape"]);
    assert.deepEqual(await findings(sequence), []);
  });

  it("gets a finding where no output depends on an adapter, unless the adapter is switched off", async () => {
    const idle = `${IMPORTS}
class Net(nn.Module):
    def __init__(self, in_features, out_features, r=4):
        super().__init__()
        self.enabled = False
        self.w = nn.Linear(in_features, out_features)
        self.lora_A = nn.Parameter(torch.randn(r, in_features))
        self.lora_B = nn.Parameter(torch.zeros(out_features, r))

    def forward(self, x):
        return self.w(x)
`;
    assert.deepEqual(await findings(idle), ["lora-unused: class Net(nn.Module):"]);
    const off = changed(idle, [
      "return self.w(x)",
      "return self.w(x) + x @ self.lora_A.T @ self.lora_B.T if self.enabled else self.w(x)",
    ]);
    assert.deepEqual(await findings(off), []);
  });

  it("shows no size of a stand-in: the lens says that sizes are unknown", async () => {
    assert.deepEqual(await findings(changed(WRAPPER, ["alpha / r", "alpha"])), [
      "lora-alpha-without-rank: return self.base(x) + self.scaling * (x @ self.A",
    ]);
    const found = await opened("lora.py");
    const [model] = summarize(found).models;
    assert.equal(model!.parameters, null);
    assert.ok(model!.layers.every(({ inFeatures, outFeatures }) => inFeatures === null && outFeatures === null));
    assert.doesNotMatch((await messages()).join(), /\d{2,}/);
    assert.equal(shapesOf(found).hints.length, 0);
  });

  it("gets its sizes from a call of the injecting function, in another file or function", async () => {
    const use = `
import torch
from torch import nn
from lora import inject

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(40, 24)
        self.out = nn.Linear(24, 2)

if __name__ == "__main__":
    net = Net()
    inject(net, r=3)
`;
    writeFiles(folder, { "lora.py": WRAPPER + INJECT, "use.py": use });
    const [model] = summarize(await opened("lora.py")).models;
    assert.equal(model!.parameters, 40 * 24 + 24 + 3 * (40 + 24));
    assert.deepEqual(model!.madeElsewhere && [model!.madeElsewhere.path, model!.madeElsewhere.line], ["use.py", 14]);
    const own = use.replace("from lora import inject", "").replace('if __name__ == "__main__":', "def main():");
    writeFiles(folder, { "use.py": "", "lora.py": WRAPPER + INJECT + own });
    const made = summarize(await opened("lora.py")).models.find((m) => m.class === "LoraLinear")!;
    assert.equal(made.parameters, 40 * 24 + 24 + 3 * (40 + 24));
  });

  describe("is right, and nothing is said, as", () => {
    const FACTORS = `
        self.lora_A = nn.Parameter(torch.empty(r, in_features))
        self.lora_B = nn.Parameter(torch.zeros(out_features, r))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))`;
    const styles: Record<string, string> = {
      "a layer with a base of its own, off by default": `
class Linear(nn.Linear):
    def __init__(self, in_features, out_features, r=0, lora_alpha=1, **kwargs):
        nn.Linear.__init__(self, in_features, out_features, **kwargs)
        self.r = r
        if r > 0:${FACTORS.replaceAll("\n        ", "\n            ")}
            self.scaling = lora_alpha / r
            self.weight.requires_grad = False

    def forward(self, x):
        result = F.linear(x, self.weight, self.bias)
        if self.r > 0:
            result += (x @ self.lora_A.transpose(0, 1) @ self.lora_B.transpose(0, 1)) * self.scaling
        return result
`,
      "a parametrization of the weight": `
class Parametrization(nn.Module):
    def __init__(self, fan_in, fan_out, rank=4, lora_alpha=1):
        super().__init__()
        self.lora_A = nn.Parameter(torch.zeros((rank, fan_in)))
        self.lora_B = nn.Parameter(torch.zeros((fan_out, rank)))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scaling = lora_alpha / rank

    def forward(self, W):
        return W + torch.matmul(self.lora_B, self.lora_A).view(W.shape) * self.scaling

def lora_params(model):
    for n, p in model.named_parameters():
        if n.endswith("lora_A") or n.endswith("lora_B"):
            yield p
`,
      "dictionaries of adapters by name": `
class Layer(nn.Module):
    def __init__(self, base_layer: nn.Module, adapter_name: str, r: int = 0, lora_alpha: int = 1, use_rslora: bool = False):
        super().__init__()
        self.base_layer = base_layer
        self.base_layer.requires_grad_(False)
        self.lora_A, self.lora_B, self.scaling = nn.ModuleDict(), nn.ModuleDict(), {}
        self.lora_A[adapter_name] = nn.Linear(base_layer.in_features, r, bias=False)
        self.lora_B[adapter_name] = nn.Linear(r, base_layer.out_features, bias=False)
        self.scaling[adapter_name] = lora_alpha / math.sqrt(r) if use_rslora else lora_alpha / r
        nn.init.zeros_(self.lora_B[adapter_name].weight)

    def forward(self, x):
        result = self.base_layer(x)
        for name in self.lora_A:
            result = result + self.lora_B[name](self.lora_A[name](x)) * self.scaling[name]
        return result
`,
      "a raw scale": `
class LoRALinear(nn.Module):
    def __init__(self, input_dims: int, output_dims: int, r: int = 8, scale: float = 20.0):
        super().__init__()
        self.linear = nn.Linear(input_dims, output_dims)
        self.linear.requires_grad_(False)
        self.scale = scale
        self.lora_a = nn.Parameter(torch.randn(input_dims, r))
        self.lora_b = nn.Parameter(torch.zeros(r, output_dims))

    def forward(self, x):
        return self.linear(x) + (self.scale * ((x @ self.lora_a) @ self.lora_b)).to(x.dtype)
`,
      "magnitude and direction": `
class Dora(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        linear.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(linear.in_features, rank))
        self.B = nn.Parameter(torch.zeros(rank, linear.out_features))
        self.scale = alpha / rank
        self.m = nn.Parameter(linear.weight.norm(p=2, dim=0, keepdim=True))

    def forward(self, x):
        whole = self.linear.weight + self.scale * (self.A @ self.B).T
        return F.linear(x, self.m * whole / whole.norm(p=2, dim=0, keepdim=True), self.linear.bias)
`,
      "another forward of each layer": `
def inject(model, rank=8, alpha=16):
    for p in model.parameters():
        p.requires_grad = False
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            module.lora_a = nn.Parameter(torch.randn(rank, module.in_features))
            module.lora_b = nn.Parameter(torch.zeros(module.out_features, rank))
            base = module.forward
            def forward(x, base=base, m=module, scaling=alpha / rank):
                return base(x) + (x @ m.lora_a.T @ m.lora_b.T) * scaling
            module.forward = forward
`,
      "a bottleneck, which is no LoRA": `
class Adapter(nn.Module):
    def __init__(self, dim: int, rank: int):
        super().__init__()
        self.down = nn.Linear(dim, rank)
        self.up = nn.Linear(rank, dim)

    def forward(self, x):
        return x + self.up(torch.relu(self.down(x)))
`,
      "a convolution's": `
class LoRAConv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, r=4, lora_alpha=8):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=1)
        self.conv.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(r * kernel_size, in_channels * kernel_size))
        self.lora_B = nn.Parameter(torch.zeros(out_channels * kernel_size, r * kernel_size))
        self.scaling = lora_alpha / r

    def forward(self, x):
        weight = self.conv.weight + (self.lora_B @ self.lora_A).view(self.conv.weight.shape) * self.scaling
        return F.conv2d(x, weight, self.conv.bias, padding=1)
`,
    };
    for (const [style, source] of Object.entries(styles))
      it(style, async () => assert.deepEqual(await findings(IMPORTS + source), []));

    it("each of them is traced: a random B gets a finding", async () => {
      for (const [style, source] of Object.entries(styles)) {
        if (/no LoRA|convolution/.test(style)) continue;
        const mistaken = source
          .replace(/(lora_[bB]|self\.B) = nn\.Parameter\(torch\.zeros/, "$1 = nn.Parameter(torch.randn")
          .replace(/nn\.init\.zeros_\(self\.lora_B\S+\)/, "");
        const found = await findings(IMPORTS + mistaken);
        assert.equal(found.filter((f) => f.startsWith("lora-initialization")).length, 1, `${style}: ${found}`);
      }
    });
  });

  it("is the same in a notebook's cells as in a script", async () => {
    const wrong = changed(WRAPPER, ["alpha / r", "alpha"], ["torch.zeros(base", "torch.randn(base"]);
    const make = "net = nn.Sequential(LoraLinear(nn.Linear(32, 32), r=2, alpha=16))\n";
    const cell = (source: string) => ({
      cell_type: "code",
      metadata: {},
      outputs: [],
      source: source.split(/(?<=\n)/),
    });
    const cells = [
      { cell_type: "markdown", metadata: {}, source: ["alpha / r, requires_grad, freeze"] },
      cell(wrong),
      cell(make),
    ];
    writeFiles(folder, {
      "lora.py": wrong + make,
      "lora.ipynb": JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }),
    });
    const of = async (file: string) => {
      const { problems } = shapesOf(await opened(file));
      return problems.map(({ line, code, message }) => `${line} ${code} ${message}`);
    };
    assert.deepEqual(await of("lora.ipynb"), await of("lora.py"));
    assert.equal((await of("lora.py")).length, 2);
    const { problems } = shapesOf(await opened("lora.ipynb"));
    assert.ok(problems.every(({ place }) => place.cell === 2));
  });
});
