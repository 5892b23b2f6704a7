import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Model } from "../../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../../src/worker/readers/open";
import { layersOf, modelNamed, writeFiles } from "../../reading";

/** The methods by which transformers 4 ties weights, in words of our own. */
const BASE = `from torch import nn
class PreTrainedModel(nn.Module):
    config_class = None
    def post_init(self):
        raise RuntimeError("plans for many devices")
    def tie_embeddings_and_encoder_decoder(self):
        if getattr(self.config, "tie_word_embeddings", True):
            head = self.get_output_embeddings()
            if head is not None:
                self._tie_or_clone_weights(head, self.get_input_embeddings())
    def tie_weights(self):
        raise RuntimeError("goes through all modules")
    def _tie_or_clone_weights(self, output_embeddings, input_embeddings):
        output_embeddings.weight = input_embeddings.weight
    def get_output_embeddings(self):
        return None
`;

describe("weights that models of transformers 4 tie by methods", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-"));
    writeFiles(folder, {
      "site/transformers/__init__.py": "",
      "site/transformers/modeling_utils.py": BASE,
    });
  });
  after(() => rmSync(folder, { recursive: true }));

  async function model(body: string, config = ""): Promise<Model> {
    const source = `from torch import nn
from transformers.modeling_utils import PreTrainedModel
class TinyConfig:
    def __init__(self, n=3${config}):
        self.n = n
        ${config === "" ? "pass" : "self.tie_word_embeddings = tie_word_embeddings"}
${body}`;
    writeFiles(folder, { "m.py": source });
    const opened = await openModelFile(join(folder, "m.py"), undefined, { packages: [join(folder, "site")] });
    return modelNamed(opened, "Tiny");
  }

  const tied = ({ stateDict }: Model) =>
    stateDict.flatMap((p) => (p.tiedTo === undefined ? [] : [`${p.path} = ${p.tiedTo}`]));

  const TINY = `class Tiny(PreTrainedModel):
    config_class = TinyConfig
    _tied_weights_keys = ["head.weight"]
    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10)
        self.post_init()
    def get_input_embeddings(self):
        return self.embed
    def get_output_embeddings(self):
        return self.head
`;

  it("are one tensor where the configuration says so, or says nothing", async () => {
    const found = await model(TINY);
    assert.deepEqual(tied(found), ["head.weight = embed.weight"]);
    assert.equal(found.root.parameters, 50);
    assert.deepEqual(tied(await model(TINY, ", tie_word_embeddings=True")), ["head.weight = embed.weight"]);
    assert.deepEqual(tied(await model(TINY, ", tie_word_embeddings=False")), []);
  });

  it("are tied where a model calls init_weights in place of post_init", async () => {
    assert.deepEqual(tied(await model(TINY.replace("post_init", "init_weights"))), ["head.weight = embed.weight"]);
  });

  it("are tied by methods of modules, including repeated ones, and of inner models", async () => {
    const found = await model(`class Head(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.decoder = nn.Linear(4, 10)
        self.other = nn.Linear(1, 10)
    def _tie_weights(self):
        self.other.bias = self.decoder.bias
class Part(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.config = config
        self.embed = nn.Embedding(5, 2)
        self.head = nn.Linear(2, 5, bias=False)
    def get_input_embeddings(self):
        return self.embed
    def get_output_embeddings(self):
        return self.head
class Tiny(PreTrainedModel):
    config_class = TinyConfig
    def __init__(self, config):
        super().__init__(config)
        self.heads = nn.ModuleList([Head(config) for _ in range(config.n)])
        self.parts = nn.ModuleList([Part(config) for _ in range(config.n)])
        self.post_init()
`);
    assert.deepEqual(tied(found), [
      ...[0, 1, 2].map((i) => `heads.${i}.other.bias = heads.${i}.decoder.bias`),
      ...[0, 1, 2].map((i) => `parts.${i}.head.weight = parts.${i}.embed.weight`),
    ]);
  });

  it("are tied as a model's own tie_weights says", async () => {
    const own = `${TINY}    def tie_weights(self):\n        self.head.bias = self.more.bias\n`;
    const found = await model(
      own.replace("self.post_init()", "self.more = nn.Linear(1, 10)\n        self.post_init()"),
    );
    assert.deepEqual(tied(found), ["more.bias = head.bias"]);
  });

  it("stay separate, with a note, where the method cannot be evaluated", async () => {
    const found = await model(TINY.replace("return self.embed", "return self.embed.nothing"));
    assert.deepEqual(tied(found), []);
    assert.deepEqual(layersOf(found), ["embed Embedding(10, 4)", "head Linear(4, 10)"]);
    assert.match(found.problems[0]?.message ?? "", /^the tied weights of Tiny are not known: .*'nothing'/);
  });
});
