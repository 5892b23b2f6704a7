import { strict as assert } from "node:assert";
import { layerKinds } from "../../../../src/worker/lora/targets/kinds";
import { modelNamed, readTorch } from "../../readers/python/reading";

/** Each layer's kind and own parameters. */
async function kindsOf(source: string, name = "Net"): Promise<Record<string, string>> {
  const layers = layerKinds(modelNamed(await readTorch(source), name));
  return Object.fromEntries(layers.map(({ module, kind, parameters }) => [module.path, `${kind} ${parameters}`]));
}

/** A model whose __init__ has the lines, before a head. */
const net = (...lines: string[]) => `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        ${lines.join("\n        ")}
        self.head = nn.Linear(8, 2)
`;

describe("the kinds of a model's layers", () => {
  it("are attention, feed-forward, embedding and head in a transformer, and other for norms", async () => {
    const source = `
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8, bias=False)

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attn = Attention()
        self.up_proj = nn.Linear(8, 32)
        self.down_proj = nn.Linear(32, 8)
${net("self.embed = nn.Embedding(100, 8)", "self.pos_embed = nn.Embedding(16, 8)", "self.blocks = nn.ModuleList([Block()])")}`;
    assert.deepEqual(await kindsOf(source), {
      embed: "embedding 800",
      pos_embed: "embedding 128",
      "blocks.0.norm": "other 16",
      "blocks.0.attn.qkv": "attention 216",
      "blocks.0.attn.proj": "attention 64",
      "blocks.0.up_proj": "feed-forward 288",
      "blocks.0.down_proj": "feed-forward 264",
      head: "head 18",
    });
  });

  it("are attention beside projections of query, key and value, whatever the class", async () => {
    const projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate"].map(
      (name) => `self.${name} = nn.Linear(8, 8)`,
    );
    const kinds = await kindsOf(net(...projections));
    assert.deepEqual(
      Object.values(kinds).map((kind) => kind.split(" ")[0]),
      ["attention", "attention", "attention", "attention", "other", "head"],
    );
    // Without the query, the other names say too little.
    const { k_proj } = await kindsOf(net(...projections.slice(1)));
    assert.equal(k_proj, "other 72");
  });

  it("are feed-forward for linear layers in a row with a nonlinearity between, and only then", async () => {
    const between = (...middle: string[]) =>
      kindsOf(net(`self.x = nn.Sequential(nn.Linear(8, 16), ${[...middle, "nn.Linear(16, 8)"].join(", ")})`));
    const first = async (...middle: string[]) => Object.values(await between(...middle))[0];
    assert.equal(await first("nn.GELU()"), "feed-forward 144");
    assert.equal(await first("nn.ReLU()", "nn.Dropout(0.1)"), "feed-forward 144");
    assert.equal(await first(), "other 144");
    assert.equal(await first("nn.ReLU()", "nn.Flatten()"), "other 144");
  });

  it("are those of BERT, whose names are spread over several modules", async () => {
    const dense = (name: string, size: string) => `
class ${name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(${size})
`;
    const source = `${dense("BertSelfOutput", "8, 8")}${dense("BertIntermediate", "8, 16")}${dense("BertOutput", "16, 8")}
class BertAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = BertSelfOutput()
class BertLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = BertAttention()
        self.intermediate = BertIntermediate()
        self.output = BertOutput()
${net("self.layer = BertLayer()")}`;
    assert.deepEqual(await kindsOf(source), {
      "layer.attention.output.dense": "attention 72",
      "layer.intermediate.dense": "feed-forward 144",
      "layer.output.dense": "feed-forward 136",
      head: "head 18",
    });
  });

  it("are convolution for convolutions, and other for a linear layer whose name says nothing", async () => {
    const kinds = await kindsOf(net("self.conv = nn.Conv2d(3, 8, 3)", "self.neck = nn.Linear(8, 8)"));
    assert.deepEqual(kinds, { conv: "convolution 224", neck: "other 72", head: "head 18" });
  });

  it("are attention for the parameters of MultiheadAttention itself", async () => {
    const kinds = await kindsOf(net("self.mha = nn.MultiheadAttention(8, 2)", "self.neck = nn.Linear(8, 8)"));
    assert.deepEqual(kinds, {
      mha: "attention 216",
      "mha.out_proj": "attention 72",
      neck: "other 72",
      head: "head 18",
    });
  });

  it("say nothing of a whole model by its class alone", async () => {
    const source = net("self.neck = nn.Linear(8, 8)").replaceAll("Net", "AttentionNet");
    assert.equal((await kindsOf(source, "AttentionNet")).neck, "other 72");
  });

  it("count a tied weight where it is held first", async () => {
    const source = `${net("self.embed = nn.Embedding(2, 8)", "self.fc1 = nn.Linear(8, 8)")}        self.head.weight = self.embed.weight\n`;
    assert.deepEqual(await kindsOf(source), { embed: "embedding 16", fc1: "feed-forward 72", head: "head 2" });
  });
});
