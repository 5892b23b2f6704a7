import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestWindow } from "../harness";

/** 32 blocks of seven linear layers, a projector and a head: 226, of the sizes of a 7B Llama. */
const LLAMA = `
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
        return self.o_proj(weights @ v)

class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))

class Block(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.self_attn = Attention(width)
        self.mlp = FeedForward(width, hidden)

    def forward(self, x):
        x = x + self.self_attn(x)
        return x + self.mlp(x)

class Llama(nn.Module):
    def __init__(self, vocabulary=32000, width=4096, hidden=11008, depth=32):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.projector = nn.Linear(width, width)
        self.layers = nn.ModuleList([Block(width, hidden) for _ in range(depth)])
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.projector(self.embed_tokens(tokens))
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(x)
`;

describe("Inject in a window, on a model of 226 linear layers", function () {
  this.timeout(180_000);
  let window: TestWindow;
  let source: string;

  before(async () => {
    source = await mkdtemp(join(tmpdir(), "lora-lens-llama-"));
    await writeFile(join(source, "model.py"), LLAMA);
    window = await TestWindow.open({ folder: source, file: "model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.command("View: Close Primary Side Bar");
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(async () => {
    await window.close();
    await rm(source, { recursive: true, force: true });
  });

  it("queries and values are chosen by their groups but for one layer, and Undo removes what was written", async () => {
    await window.command("LoRA Lens: Inject LoRA…");
    await window.page.locator(".quick-input-list .monaco-list-row", { hasText: "227 layers" }).click();
    const list = await window.step(1, 5);
    const row = (text: string | RegExp) => list.locator(".monaco-list-row", { hasText: text });
    const title = (text: string) => list.locator(".quick-input-title", { hasText: text }).waitFor();
    // The head is not among the defaults. 8 * (32 * (4 * 8,192 + 3 * 15,104) + 8,192).
    await title("225 of 226 layers · 20,054,016 trainable at rank 8");
    await row(/q_proj × 32/).waitFor();
    await window.screenshot("inject-groups");
    for (const name of ["k_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "projector"])
      await row(name).locator(".monaco-checkbox").click();
    await title("64 of 226 layers · 4,194,304 trainable at rank 8");

    await row(/v_proj × 32/).hover();
    await row(/v_proj × 32/)
      .getByRole("button", { name: "Show its 32 layers" })
      .click();
    await row("layers.0.self_attn.v_proj").locator(".monaco-checkbox").click();
    await title("63 of 226 layers · 4,128,768 trainable at rank 8");
    await row(/v_proj × 32/)
      .filter({ hasText: "31 of 32 checked" })
      .waitFor();
    await window.screenshot("inject-group-open");
    await window.accept();
    await window.acceptSteps(2, 4, 5);
    await window.step(5, 5);
    await row("63 layers · 4,128,768 trainable").waitFor();
    await window.screenshot("inject-write");
    await window.choose("More", row("Exclude"));
    await window.choose("Exclude", list.locator(".quick-input-message", { hasText: "Excluded modules" }));
    await window.answer("layers.31.self_attn.q_proj", "names or path suffixes");
    await window.accept();
    await row("rsLoRA: off").waitFor();
    await window.choose("rsLoRA: off", row("rsLoRA: on"));
    await row("Bias: none").filter({ hasText: "no other value here" }).waitFor();
    await window.screenshot("inject-more");
    await window.choose("Done", row("62 layers, 1 of the checked ones excluded"));
    await window.choose(
      "Write adapter_config.json",
      window.page.locator(".notification-toast", { hasText: "Llama: LoRA on 62 layers" }),
    );

    await window.notification(/Llama: LoRA on 62 layers · original params: [\d,]+ · trainable params: 4,063,232/);
    await window.screenshot("inject-groups-summary");
    const folder = join(window.folder, "model-lora");
    const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
    // All queries, excluded or not, have the name for themselves; of the values one is missing.
    assert.equal(config.target_modules.length, 1 + 31);
    assert.ok(config.target_modules.includes("q_proj"));
    assert.ok(config.target_modules.includes("layers.31.self_attn.v_proj"));
    assert.deepEqual(config.exclude_modules, ["layers.31.self_attn.q_proj"]);
    assert.equal(config.use_rslora, true);

    await window.page.locator(".notification-toast").getByRole("button", { name: "Undo" }).click();
    await window.notification(/removed .*adapter_config\.json/);
    assert.ok(!existsSync(folder));
  });
});
