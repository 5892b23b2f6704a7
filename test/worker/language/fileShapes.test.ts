import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FileShapes, shapesOf } from "../../../src/worker/language/fileShapes";
import { read } from "../readers/python/reading";

const IMPORTS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n";
/** Lines of imports above each source. */
const ABOVE = 3;

async function shapes(source: string): Promise<FileShapes> {
  const text = IMPORTS + source;
  return shapesOf(await read(text));
}

/** "line: [dims]", lines counted in the source given. */
function hints({ hints }: FileShapes): string[] {
  return hints.map(({ place, dims }) => `${place.line - ABOVE}: [${dims.join(", ")}]`);
}

function problems({ problems }: FileShapes): string[] {
  return problems.map(({ severity, code, line }) => `${line - ABOVE}: ${severity} ${code}`);
}

const NET = (forward: string, init = "self.fc = nn.Linear(64, 32)"): string => `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        ${init}
    def forward(self, x):
        ${forward}
`;

describe("shapes in a file", () => {
  it("name a dimension as the code does, and only one that comes from there", async () => {
    const found = await shapes(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(100, 16)
        self.pos = nn.Embedding(32, 16)
    def forward(self, ids):
        batch, seq_len = ids.size()
        x = self.emb(ids)
        p = self.pos(torch.arange(seq_len))
        y, z = x.chunk(2, dim=-1)
        flat = x.view(batch * seq_len, 16)
        twice = torch.cat([x, x], dim=1)
        return flat
Net()(torch.zeros(2, 16, dtype=torch.long))
`);
    assert.deepEqual(hints(found), [
      "9: [batch, seq_len, 16]",
      "10: [seq_len, 16]",
      "11: [batch, seq_len, 8]",
      "11: [batch, seq_len, 8]",
      "12: [batch·seq_len, 16]",
      "13: [batch, 2·seq_len, 16]",
    ]);
    assert.equal(found.traces[0]!.inputsFrom, `the call at line ${15 + ABOVE}`);
  });

  it("keep a number for a size that the model fixes, and B where the code has no name", async () => {
    assert.deepEqual(hints(await shapes(NET("y = self.fc(x)\n        return y"))), ["6: [B, 32]"]);
  });

  it("are traced no further once the reading is cancelled", async () => {
    const net = (name: string) => NET("y = self.fc(x)\n        return y").replace("Net", name);
    const text = IMPORTS + net("First") + net("Second") + net("Third");
    const opened = await read(text);
    let looks = 0;
    assert.deepEqual(
      shapesOf(opened, () => ++looks > 1).traces.map((trace) => trace.class),
      ["First"],
    );
  });

  it("show where shapes differ between the runs of a line", async () => {
    const source = `
class Part(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.fc = nn.Linear(n, m)
    def forward(self, x):
        x = self.fc(x)
        return x
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([Part(8, 4), Part(4, 2)])
    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x
`;
    const found = await shapes(source);
    assert.deepEqual(hints(found).sort(), ["15: [B, 4|2]", "7: [B, 4|2]"]);
    assert.deepEqual(
      found.traces.map((t) => t.class),
      ["Net"],
    );
    assert.deepEqual(found.hints[0]!.runs, 2);
  });

  it("report layers that do not fit each other, with the call that leads there", async () => {
    const found = await shapes(`
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(32, 128)
        self.out = nn.Linear(256, 32)
    def forward(self, x):
        h = F.gelu(self.proj(x))
        return self.out(h)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(64, 32)
        self.part = Part()
    def forward(self, x):
        return self.part(self.a(x))
`);
    assert.deepEqual(problems(found), ["9: error shape-mismatch"]);
    const [problem] = found.problems;
    assert.match(
      problem!.message,
      /^Linear\(256 → 32\) takes inputs whose last dimension is 256; `h` \[2, 128\] has last dimension 128\.\nPyTorch: RuntimeError: mat1 and mat2 shapes cannot be multiplied \(2x128 and 256x32\)/,
    );
    assert.equal(problem!.place.column, 16);
    assert.equal(problem!.related![0]!.place.line - ABOVE, 16);
    assert.match(problem!.related![0]!.message, /^Part\.forward is called here with x \[2, 32\]$/);
  });

  for (const between of [
    "torch.atan(h)",
    "torch.log1p(h)",
    "torch.expm1(h)",
    "h.detach()",
    "torch.where(h > 0, h, -h)",
    "(h > 0).float()",
    "self.half(h)",
  ]) {
    it(`report layers that do not fit through ${between}, which keeps the size of the first`, async () => {
      const found = await shapes(`
class Half(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 0.5
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(32, 128)
        self.half = Half(128, 128)
        self.out = nn.Linear(256, 32)
    def forward(self, x):
        h = self.proj(x)
        return self.out(${between})
`);
      assert.deepEqual(problems(found), ["13: error shape-mismatch"]);
    });
  }

  it("report errors of a call in the file, naming the operands as written", async () => {
    const source = `${NET("y = x @ self.w\n        return y + x", "self.w = nn.Parameter(torch.randn(8, 4))")}Net()(torch.randn(3, 8))\n`;
    const found = await shapes(source);
    assert.deepEqual(problems(found), ["7: error shape-mismatch"]);
    assert.match(
      found.problems[0]!.message,
      /`y` \[3, 4\] \+ `x` \[3, 8\] do not broadcast: dimension -1 is 4 on the left/,
    );
    assert.deepEqual(hints(found), ["6: [B, 4]"]);
  });

  it("do not report an error for guessed inputs", async () => {
    const found = await shapes(NET("return self.fc(x.view(2, 5, 7, 11))"));
    assert.deepEqual(problems(found), ["1: information not-traced"]);
    assert.match(found.problems[0]!.message, /call the model once in the file/);
    assert.deepEqual(hints(found), []);
  });

  it("are all there for the examples, without a problem", async () => {
    for (const [name, count] of [
      ["transformer", 12],
      ["digits", 3],
    ] as const) {
      const text = readFileSync(join(__dirname, "../../../examples", name, "model.py"), "utf8");
      const { pythonReader } = await import("../../../src/worker/readers/python/reader");
      const found = shapesOf(await pythonReader.open("model.py", text));
      assert.equal(found.hints.length, count, name);
      assert.deepEqual(found.problems, [], name);
    }
  });
});

describe("LoRA written by hand", () => {
  const adapted = (forward: string, { freeze = true, b = "torch.zeros(64, 4)", a = "torch.randn(4, 64)" } = {}) => `
class Net(nn.Module):
    def __init__(self, r=4):
        super().__init__()
        self.w = nn.Linear(64, 64)
        ${freeze ? "self.w.requires_grad_(False)" : "pass"}
        self.lora_A = nn.Parameter(${a})
        self.lora_B = nn.Parameter(${b})
        self.drop = nn.Dropout(0.1)
        self.c = ${"8 / r"}
    def forward(self, x):
        ${forward}
`;

  for (const [what, forward] of [
    ["x @ A.T @ B.T", "return self.w(x) + self.c * (self.drop(x) @ self.lora_A.T @ self.lora_B.T)"],
    ["two F.linear", "return F.linear(F.linear(x, self.lora_A), self.lora_B) * self.c + self.w(x)"],
    ["a sum of weights", "return F.linear(x, self.w.weight + self.c * (self.lora_B @ self.lora_A), self.w.bias)"],
  ] as const) {
    it(`is fine as ${what}`, async () => assert.deepEqual(problems(await shapes(adapted(forward))), []));
  }

  it("misses alpha / r", async () => {
    const found = await shapes(adapted("return self.w(x) + x @ self.lora_A.T @ self.lora_B.T"));
    assert.deepEqual(problems(found), ["12: information lora-missing-scale"]);
    assert.match(found.problems[0]!.message, /rank 4 is added unscaled/);
  });

  it("misses it in a sum of weights", async () => {
    const found = await shapes(adapted("return F.linear(x, self.w.weight + self.lora_B @ self.lora_A)"));
    assert.deepEqual(problems(found), ["12: information lora-missing-scale"]);
  });

  it("scales by alpha alone", async () => {
    const source = adapted("return self.w(x) + self.alpha * (x @ self.lora_A.T @ self.lora_B.T)").replace(
      "self.c =",
      "self.alpha = 16 #",
    );
    assert.deepEqual(problems(await shapes(source)), ["12: information lora-alpha-without-rank"]);
  });

  it("is frozen by an argument of its parameters", async () => {
    const source = adapted("return x @ self.W + self.c * (x @ self.lora_A.T @ self.lora_B.T)", {
      freeze: false,
    }).replace("pass", "self.W = nn.Parameter(torch.randn(64, 64), False)");
    assert.deepEqual(problems(await shapes(source)), []);
    assert.deepEqual(problems(await shapes(source.replace(", False)", ")"))), ["12: warning lora-not-frozen"]);
  });

  it("forgets to freeze", async () => {
    const source = adapted("return self.w(x) + self.c * (x @ self.lora_A.T @ self.lora_B.T)", { freeze: false });
    assert.deepEqual(problems(await shapes(source)), ["12: warning lora-not-frozen"]);
  });

  it("never uses the adapter", async () => {
    const found = await shapes(adapted("return self.w(x)"));
    assert.deepEqual(problems(found), ["2: warning lora-unused"]);
    assert.match(found.problems[0]!.message, /^lora_A, lora_B: no output of Net depends on them/);
  });

  it("has B the wrong way round", async () => {
    const found = await shapes(adapted("return self.w(x) + self.c * (x @ self.lora_A.T @ self.lora_B)"));
    assert.deepEqual(problems(found), ["12: error lora-transposed"]);
    assert.match(found.problems[0]!.message, /`self\.lora_B` may be meant as its \.T/);
  });

  it("starts with both at zero, or with neither", async () => {
    const forward = "return self.w(x) + self.c * (x @ self.lora_A.T @ self.lora_B.T)";
    const both = await shapes(adapted(forward, { a: "torch.zeros(4, 64)" }));
    assert.deepEqual(problems(both), ["12: warning lora-initialization"]);
    const neither = await shapes(adapted(forward, { b: "torch.randn(64, 4)" }));
    assert.deepEqual(problems(neither), ["12: warning lora-initialization"]);
  });

  it("is not seen in a bottleneck or in two branches of one input", async () => {
    const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(64, 8, bias=False)
        self.up = nn.Linear(8, 64, bias=False)
        self.a = nn.Linear(64, 64)
        self.b = nn.Linear(64, 64, bias=False)
    def forward(self, x, other):
        x = x + self.up(self.down(x))
        x = self.a(x) + self.up(self.down(other))
        return self.a(x) + self.b(x) + self.up(F.relu(self.down(x)))
`;
    assert.deepEqual(problems(await shapes(source)), []);
  });
});

describe("layers that an adapter does little for", () => {
  const LAYERS = (init: string, forward: string): string => NET(forward, init);

  it("are reported at their line: one that is never called while its weight is used", async () => {
    const found = await shapes(
      LAYERS(
        "self.fc = nn.Linear(6, 8); self.out = nn.Linear(8, 4)",
        "return F.linear(self.fc(x), self.out.weight, self.out.bias)",
      ),
    );
    assert.deepEqual(problems(found), ["4: warning lora-layer-not-called"]);
    assert.match(found.problems[0]!.message, /^out is never called; only its weight is read\. /);
    assert.equal(found.onlyRead!.length, 1);
  });

  it("are not the model itself", async () => {
    const source = `
class Scaled(nn.Linear):
    def __init__(self, width=6):
        super().__init__(width, width)
    def forward(self, x):
        return F.linear(x, self.weight, self.bias) + x
`;
    assert.deepEqual(problems(await shapes(source)), []);
  });

  it("are reported at their line: one under two names, of which PEFT adapts the first", async () => {
    const init = "self.a = nn.Linear(6, 6); self.b = self.a";
    assert.deepEqual(problems(await shapes(LAYERS(init, "return self.b(self.a(x))"))), [
      "4: warning lora-layer-under-two-names",
    ]);
    assert.deepEqual(problems(await shapes(LAYERS(init, "return self.a(x)"))), []);
  });

  it("are reported at their line: one that PyTorch evaluates without the adapter", async () => {
    const layer = (options: string) => `self.layer = nn.TransformerEncoderLayer(8, 2, 12${options})`;
    const of = async (options: string) => problems(await shapes(LAYERS(layer(options), "return self.layer(x)")));
    assert.deepEqual(await of(", batch_first=True"), ["4: information lora-skipped-in-evaluation"]);
    assert.deepEqual(await of(""), []);
    assert.deepEqual(await of(", batch_first=True, activation=F.silu"), []);
    assert.deepEqual(await of(", batch_first=True, bias=False"), []);
  });

  it("are reported at their line: one whose class has a forward of its own", async () => {
    const found = await shapes(
      `class Half(nn.Linear):\n    def forward(self, x):\n        return 0.5 * super().forward(x)\n${NET("return self.fc(x)", "self.fc = Half(6, 6)")}`,
    );
    assert.deepEqual(
      found.problems.map(({ code }) => code),
      ["lora-own-forward"],
    );
  });

  it("are not the output projection of MultiheadAttention, nor a base to which LoRA by hand adds", async () => {
    const attention = LAYERS("self.at = nn.MultiheadAttention(8, 2)", "return self.at(x, x, x)[0]");
    assert.deepEqual(problems(await shapes(attention)), []);
    assert.equal((await shapes(attention)).onlyRead, undefined);
  });
});
