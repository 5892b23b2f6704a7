import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { writeFiles } from "../reading";

const memory = new ReaderMemory();

describe("imports are followed", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-imports-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (files: Record<string, string>): void => writeFiles(folder, files);

  /** "Net fc 3→4" for each layer with sizes. */
  const layers = async (file: string, packages: readonly string[] = []): Promise<string[]> => {
    const { models } = await openModelFile(join(folder, file), undefined, { packages, memory });
    return models.flatMap((model) =>
      [...walkModules(model.root)]
        .filter((m) => m.inFeatures !== undefined || m.kind === "Linear")
        .map((m) => `${model.className} ${m.path} ${m.inFeatures}→${m.outFeatures}`),
    );
  };

  const net = (size: string): string => `
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(${size}, 2)
`;

  it("from a file beside it, absolute and relative", async () => {
    write({
      "sizes.py": "WIDTH = 8\nDEPTH = WIDTH * 2\n",
      "a.py": `from sizes import DEPTH${net("DEPTH")}`,
      "b.py": `import sizes as s${net("s.DEPTH + 1")}`,
      "c.py": `from .sizes import WIDTH${net("WIDTH")}`,
    });
    assert.deepEqual(await layers("a.py"), ["Net fc 16→2"]);
    assert.deepEqual(await layers("b.py"), ["Net fc 17→2"]);
    assert.deepEqual(await layers("c.py"), ["Net fc 8→2"]);
  });

  it("out of a package, up and down, through its __init__ and a wildcard", async () => {
    write({
      "pkg/__init__.py": "from .config import *\n",
      "pkg/config.py": "__all__ = ['WIDTH']\nWIDTH = 5\nHIDDEN = 9\n",
      "pkg/blocks/__init__.py": "",
      "pkg/blocks/mlp.py": `from ..config import HIDDEN\nfrom .. import WIDTH${net("WIDTH * HIDDEN")}`,
      "use.py": `import pkg\nfrom pkg.blocks.mlp import Net as Inner\nfrom torch import nn
class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.head = nn.Linear(pkg.WIDTH, 1)
`,
    });
    assert.deepEqual(await layers("pkg/blocks/mlp.py"), ["Net fc 45→2"]);
    // The imported class is not a model of this file.
    assert.deepEqual(await layers("use.py"), ["Outer inner.fc 45→2", "Outer head 5→1"]);
  });

  it("and an error that a file beside it raises about an unknown value is a warning here", async () => {
    write({
      "checks.py": `import absent\ndef check(kind):\n    raise ValueError(f"{kind} is no kind, but {absent.KINDS}")\n`,
      "use.py": `from checks import check\n${net("8")}\ncheck("mlp")\n`,
    });
    const { problems } = await openModelFile(join(folder, "use.py"), undefined, {});
    const raised = problems.filter(({ message }) => message.startsWith("ValueError"));
    assert.deepEqual(
      raised.map(({ severity, message }) => [severity, message]),
      [["warning", "ValueError: <unknown> (in checks.py, line 3)"]],
    );
  });

  it("in a circle, as far as names are there", async () => {
    write({
      "one.py": "A = 3\nfrom two import C\nB = C + 1\n",
      "two.py": "from one import A\nC = A * 2\n",
      "m.py": `from one import B${net("B")}`,
    });
    assert.deepEqual(await layers("m.py"), ["Net fc 7→2"]);
  });

  it("in try and under TYPE_CHECKING as Python runs them", async () => {
    write({
      "site/fast/__init__.py": "WIDTH = 11\n",
      "m.py": `from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from nowhere import Thing
try:
    from absent_library import WIDTH
except ImportError:
    from fast import WIDTH${net("WIDTH")}`,
    });
    assert.deepEqual(await layers("m.py", [join(folder, "site")]), ["Net fc 11→2"]);
  });

  it("evaluates a statement once and in order, and a method of an imported class in its own module", async () => {
    write({
      "lib.py": `SIZES = [1]
SIZES.append(4)
from torch import nn
def width():
    return SIZES[-1]
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(width(), 3)
SIZES.append(6)
`,
      "m.py": `from lib import Base\nfrom torch import nn
SIZES = [99]
class Net(Base):
    def __init__(self):
        super().__init__()
        self.second = nn.Linear(3, 2)
`,
    });
    assert.deepEqual(await layers("m.py"), ["Net first 6→3", "Net second 3→2"]);
  });

  it("reports an error in an imported file at the line of the opened file", async () => {
    write({
      "lib.py": "def width(x):\n    return {'a': 1}[x]\n",
      "m.py": `from lib import width${net("width('b')")}`,
    });
    const { problems } = await openModelFile(join(folder, "m.py"));
    const found = problems.find((p) => p.message.includes("KeyError"));
    assert.match(found?.message ?? "", /\(in lib\.py, line 2\)/);
    assert.equal(found?.place.line, 6);
    assert.equal(found?.place.file, join(folder, "m.py"));
  });

  it("sees a change of an imported file at the next reading", async () => {
    write({ "sizes.py": "WIDTH = 8\n", "m.py": `from sizes import WIDTH${net("WIDTH")}` });
    assert.deepEqual(await layers("m.py"), ["Net fc 8→2"]);
    write({ "sizes.py": "WIDTH = 1024\n" });
    assert.deepEqual(await layers("m.py"), ["Net fc 1024→2"]);
  });

  it("does not follow a link out of the workspace", async () => {
    write({ "outside/secret.py": "WIDTH = 8\n", "work/m.py": `from secret import WIDTH${net("WIDTH")}` });
    symlinkSync(join(folder, "outside/secret.py"), join(folder, "work/secret.py"));
    assert.deepEqual(await layers("work/m.py"), ["Net fc undefined→2"]);
    const { problems } = await openModelFile(join(folder, "work/m.py"));
    assert.ok(problems.some((p) => /a link to a place outside/.test(p.message)));
  });

  it("takes names from a package that replaces itself from its imports for type checkers", async () => {
    write({
      "site/lazy/__init__.py": `from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from .sizes import *
else:
    import sys
    sys.modules[__name__] = object()
`,
      "site/lazy/sizes.py": "WIDTH = 12\n",
      "m.py": `from lazy import WIDTH${net("WIDTH")}`,
    });
    assert.deepEqual(await layers("m.py", [join(folder, "site")]), ["Net fc 12→2"]);
  });

  it("ignores a library's decorator that cannot be evaluated", async () => {
    write({
      "site/lib.py": "import inspect\ndef documented(cls):\n    inspect.getsource(cls)[0]\n    return {}['x']\n",
      "m.py": `from lib import documented\nfrom torch import nn
@documented
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 2)
`,
    });
    assert.deepEqual(await layers("m.py", [join(folder, "site")]), ["Net fc 6→2"]);
  });

  it("reads transformers' models by what its base classes come to", async () => {
    write({
      "site/transformers/__init__.py": "",
      "site/transformers/utils.py": "def auto_docstring(x):\n    raise RuntimeError('not for reading')\n",
      "site/transformers/modeling_utils.py": `from torch import nn
class PreTrainedModel(nn.Module):
    config_class = None
    def __init__(self, config):
        raise RuntimeError("looks for kernels")
    def post_init(self):
        raise RuntimeError("plans for many devices")
`,
      "site/transformers/tiny.py": `from torch import nn
from .modeling_utils import PreTrainedModel
from .utils import auto_docstring
class TinyConfig:
    def __init__(self, hidden=6, tie_word_embeddings=True):
        self.hidden = hidden
        self.tie_word_embeddings = tie_word_embeddings
@auto_docstring
class TinyModel(PreTrainedModel):
    config_class = TinyConfig
    _tied_weights_keys = {"head.weight": "embed.weight"}
    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(10, config.hidden)
        self.head = nn.Linear(self.config.hidden, 10, bias=False)
        self.post_init()
`,
      "m.py": `from transformers.tiny import TinyModel\nclass Mine(TinyModel):\n    pass\n`,
    });
    assert.deepEqual(await layers("m.py", [join(folder, "site")]), ["Mine embed 10→6", "Mine head 6→10"]);
    const { models } = await openModelFile(join(folder, "m.py"), undefined, {
      packages: [join(folder, "site")],
      memory,
    });
    assert.equal(models[0]?.configuration?.label, "TinyConfig's defaults");
    assert.equal(models[0]?.stateDict.find((p) => p.path === "head.weight")?.tiedTo, "embed.weight");
  });

  it("ties the weights of modules and patterns that transformers' models list, and keeps the modules apart", async () => {
    write({
      "site/transformers/__init__.py": "",
      "site/transformers/modeling_utils.py": "from torch import nn\nclass PreTrainedModel(nn.Module):\n    pass\n",
      "site/transformers/tiny.py": `from torch import nn
from .modeling_utils import PreTrainedModel
class TinyConfig:
    tie_word_embeddings = True
class TinyModel(PreTrainedModel):
    config_class = TinyConfig
    _tied_weights_keys = {"second": "first", r"many.(?![0])\\d+": "many.0"}
    def __init__(self, config):
        super().__init__(config)
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(2, 3)
        self.many = nn.ModuleList([nn.Linear(4, 5, bias=False) for _ in range(3)])
        self.post_init()
`,
      "m.py": "from transformers.tiny import TinyModel\nclass Mine(TinyModel):\n    pass\n",
    });
    const packages = [join(folder, "site")];
    assert.deepEqual(await layers("m.py", packages), [
      ...["Mine first 2→3", "Mine second 2→3"],
      ...["Mine many.0 4→5", "Mine many.1 4→5", "Mine many.2 4→5"],
    ]);
    const { models } = await openModelFile(join(folder, "m.py"), undefined, { packages, memory });
    const tied = models[0]?.stateDict.flatMap((p) => (p.tiedTo === undefined ? [] : [`${p.path} = ${p.tiedTo}`]));
    assert.deepEqual(tied, [
      "second.weight = first.weight",
      "second.bias = first.bias",
      "many.1.weight = many.0.weight",
      "many.2.weight = many.0.weight",
    ]);
  });

  it("gives a model of AutoModel.from_config what its constructor takes besides, and finds it under another's name", async () => {
    write({
      "site/transformers/__init__.py": "from .shared import TinyModel\n",
      "site/transformers/modeling_utils.py": "from torch import nn\nclass PreTrainedModel(nn.Module):\n    pass\n",
      "site/transformers/shared.py": `from torch import nn
from .modeling_utils import PreTrainedModel
class TextConfig:
    width = 6
class TinyConfig:
    sub_configs = {"text_config": TextConfig}
    def get_text_config(self):
        return TextConfig()
class TinyModel(PreTrainedModel):
    config_class = TextConfig
    def __init__(self, config, pooler=True):
        super().__init__(config)
        self.fc = nn.Linear(config.width, 2)
        if pooler:
            self.pooler = nn.Linear(2, 2)
`,
      "site/transformers/models/__init__.py": "",
      "site/transformers/models/tiny/__init__.py": "",
      "site/transformers/models/auto/__init__.py": "",
      "site/transformers/models/auto/auto_factory.py": `class Mapping:
    _reverse_config_mapping = {"TinyConfig": "tiny"}
    _model_mapping = {"tiny": "TinyModel"}
class AutoModel:
    _model_mapping = Mapping()
    @classmethod
    def from_config(cls, config, **kwargs):
        raise OSError("looks on the network")
`,
      "m.py": `from torch import nn
from transformers.models.auto.auto_factory import AutoModel
from transformers.shared import TinyConfig
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.text = AutoModel.from_config(TinyConfig(), pooler=False, attn_implementation="eager")
`,
    });
    assert.deepEqual(await layers("m.py", [join(folder, "site")]), ["Mine text.fc 6→2"]);
  });

  it("through transformers' outputs and its branches on values, which a trace goes past", async () => {
    write({
      "site/transformers/__init__.py": "",
      "site/transformers/utils/__init__.py": "",
      "site/transformers/utils/generic.py": `from collections import OrderedDict
class ModelOutput(OrderedDict):
    def __post_init__(self):
        raise RuntimeError("checks its fields")
`,
      "site/transformers/utils/import_utils.py": `def is_tracing(tensor=None):
    raise RuntimeError("asks PyTorch")
`,
      "site/transformers/tiny.py": `from dataclasses import dataclass
import torch
from torch import nn
from .utils.generic import ModelOutput
from .utils.import_utils import is_tracing
@dataclass
class TinyOutput(ModelOutput):
    logits: torch.Tensor | None = None
    hidden: torch.Tensor | None = None
class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 5)
    def forward(self, input_ids=None):
        x = self.embed(input_ids)
        if not is_tracing(x) and (x == 0).all():
            return None
        return TinyOutput(logits=x)
`,
      "m.py": "from transformers.tiny import Tiny\nclass Mine(Tiny):\n    pass\n",
    });
    const { models } = await openModelFile(join(folder, "m.py"), undefined, {
      packages: [join(folder, "site")],
      memory,
    });
    const { graph } = models[0]!.trace();
    assert.deepEqual(
      [...graph.outputs].map(([name, node]) => [name, node.shape]),
      [["output_logits", [2, 16, 5]]],
    );
  });

  it("of a file copied out of transformers from where it was", async () => {
    write({
      "site/transformers/activations.py": "WIDTH = 6\n",
      "site/transformers/models/tiny/configuration_tiny.py":
        "class TinyConfig:\n    def __init__(self, out=3):\n        self.out = out\n",
      "site/transformers/models/tiny/modeling_tiny.py": "",
      "mine/modeling_tiny.py": `from torch import nn
from ...activations import WIDTH
from .configuration_tiny import TinyConfig
class Tiny(nn.Module):
    def __init__(self, config: TinyConfig):
        super().__init__()
        self.fc = nn.Linear(WIDTH, config.out)
`,
      "mine/modeling_other.py": `from ...activations import WIDTH${net("WIDTH")}`,
    });
    const site = [join(folder, "site")];
    assert.deepEqual(await layers("mine/modeling_tiny.py", site), ["Tiny fc 6→3"]);
    assert.deepEqual(await layers("mine/modeling_other.py", site), ["Net fc undefined→2"]);
  });

  it("and otherwise modules that a model calls are reported as missing, and its size is unknown", async () => {
    write({
      "m.py": `from chapters import Attention, tokenizer
from torch import nn
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = tokenizer
        self.att = Attention(4)
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(self.att(x))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
`,
    });
    const { models, problems } = await openModelFile(join(folder, "m.py"));
    assert.deepEqual(
      models.map((m) => m.root.parameters),
      [undefined, undefined],
    );
    assert.deepEqual(
      problems.map(({ place, message, severity }) => [place.line, severity, message]),
      [
        [
          1,
          "information",
          "self.att of Block is unknown, and layers in it are not counted: the import of Attention from chapters was not followed",
        ],
      ],
    );
  });
});
