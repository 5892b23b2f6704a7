import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { messages } from "../reading";

const memory = new ReaderMemory();

/** What create_model needs of timm, whose registry fills only when all of its modules run. */
const TIMM = {
  "timm/__init__.py": "from .models import create_model\n",
  "timm/models/__init__.py": "from ._factory import *\nfrom .tiny import *\n",
  "timm/models/_factory.py": `__all__ = ["create_model"]
def create_model(name, **kwargs):
    raise RuntimeError("Unknown model")
`,
  "timm/models/_registry.py": `import sys
def register_model(fn):
    sys.modules[fn.__module__].__all__.append(fn.__name__)
    return fn
def get_pretrained_cfg(name, allow_unregistered=True):
    raise RuntimeError("looks in the registry")
def register_model_deprecations(module, names):
    raise RuntimeError("fills the registry")
`,
  "timm/models/_builder.py": `from ._registry import get_pretrained_cfg
def build(cls, variant, pretrained, pretrained_cfg=None, **kwargs):
    assert not pretrained
    cfg = get_pretrained_cfg(variant if pretrained_cfg is None else f"{variant}.{pretrained_cfg}")
    kwargs.setdefault("num_classes", cfg.num_classes if cfg else 1000)
    return cls(**kwargs)
`,
  "timm/models/blocks.py": `BLOCKS = {}
def register_block(name, block):
    BLOCKS[name] = block
`,
  "timm/models/tiny.py": `from torch import nn
from ._builder import build
from ._registry import register_model, register_model_deprecations
from .blocks import BLOCKS, register_block
__all__ = ["Tiny"]
class Cfg:
    def __init__(self, **sizes):
        self.cfgs = {tag: Size(n) for tag, n in sizes.items()}
    @property
    def default(self):
        return next(iter(self.cfgs.values()))
class Size:
    def __init__(self, n):
        self.num_classes = n
default_cfgs = {"tiny_small": Cfg(in1k=10, in21k=21), "tiny_large": Cfg(in1k=11)}
class TinyBlock(nn.Linear):
    pass
class Tiny(nn.Module):
    def __init__(self, width, num_classes):
        super().__init__()
        self.body = BLOCKS["tiny"](width, width)
        self.head = nn.Linear(width, num_classes)
@register_model
def tiny_small(pretrained=False, **kwargs):
    return build(Tiny, "tiny_small", pretrained, **dict(dict(width=4), **kwargs))
@register_model
def tiny_large(pretrained=False, **kwargs):
    return build(Tiny, "tiny_large", pretrained, **dict(dict(width=8), **kwargs))
register_block('tiny', TinyBlock)
register_model_deprecations(__name__, {
    'tiny_old_21k': 'tiny_small.in21k',
})
`,
};

describe("timm.create_model", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-timm-"));
    for (const [name, text] of Object.entries(TIMM)) {
      const file = join(folder, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  const read = (...lines: string[]) =>
    openModelFile("m.py", `import timm\n${lines.join("\n")}\n`, { packages: [folder], memory });

  it("makes the model of the name, with the sizes of its tag and of the call", async () => {
    const file = await read(
      'a = timm.create_model("tiny_small", pretrained=True)',
      'b = timm.create_model("tiny_small.in21k", cache_dir="x")',
      'c = timm.create_model("hf_hub:timm/tiny_large.in1k", num_classes=3, width=None)',
      'd = timm.create_model("tiny_old_21k")',
    );
    assert.deepEqual(messages(file), []);
    assert.deepEqual(
      file.models.map(({ className, root }) => [
        className,
        root.kind,
        ...root.children.map((layer) => `${layer.kind} ${layer.inFeatures}→${layer.outFeatures}`),
      ]),
      [
        ["a", "Tiny", "TinyBlock 4→4", "Linear 4→10"],
        ["b", "Tiny", "TinyBlock 4→4", "Linear 4→21"],
        ["c", "Tiny", "TinyBlock 8→8", "Linear 8→3"],
        ["d", "Tiny", "TinyBlock 4→4", "Linear 4→21"],
      ],
    );
  });

  it("reports an unknown model name", async () => {
    const { models, problems } = await read('model = timm.create_model("novel")');
    assert.deepEqual(models, []);
    assert.deepEqual(
      problems.map(({ severity, message }) => `${severity}: ${message}`),
      ["information: the layers of this model are not shown: the installed timm has no novel"],
    );
  });
});
