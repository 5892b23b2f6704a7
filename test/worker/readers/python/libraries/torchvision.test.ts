import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { messages } from "../reading";

const memory = new ReaderMemory();

/** What torchvision's models are wrapped in, below a folder of installed packages. */
const TORCHVISION = {
  "torchvision/__init__.py": "from torchvision import datasets, models, transforms\n",
  "torchvision/datasets.py": "def Tiny(root):\n    raise OSError('reads data')\n",
  "torchvision/transforms.py": "def Resize(size):\n    raise OSError('reads data')\n",
  "torchvision/utils.py": "def _log_api_usage_once(obj):\n    raise RuntimeError(obj.__module__)\n",
  "torchvision/models/__init__.py": "from .tinynet import *\nfrom ._api import get_model\n",
  "torchvision/models/_utils.py": `def handle_legacy_interface(**weights):
    raise RuntimeError("looks at weights")
`,
  "torchvision/models/_api.py": `def register_model(name=None):
    raise RuntimeError("fills the registry")
def get_model(name, **config):
    raise ValueError("Unknown model")
`,
  "torchvision/models/tinynet.py": `from torch import nn
from ..utils import _log_api_usage_once
from ._api import register_model
from ._utils import handle_legacy_interface
__all__ = ["TinyNet", "tinynet", "Weights"]
class Weights:
    DEFAULT = "weights"
class TinyNet(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        _log_api_usage_once(self)
        self.fc = nn.Linear(4, num_classes)
    def forward(self, x):
        return self.fc(x)
@register_model()
@handle_legacy_interface(weights=("pretrained", Weights.DEFAULT))
def tinynet(*, weights=None, progress=True, **kwargs):
    model = TinyNet(**kwargs)
    if weights is not None:
        model.load_state_dict(weights.get_state_dict(progress))
    return model
`,
};

describe("torchvision's models", () => {
  let packages: string;
  before(() => {
    packages = join(mkdtempSync(join(tmpdir(), "lora-lens-torchvision-")), "site-packages");
    for (const [name, text] of Object.entries(TORCHVISION)) {
      const file = join(packages, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  });
  after(() => rmSync(dirname(packages), { recursive: true }));

  const read = (...lines: string[]) => openModelFile("m.py", `${lines.join("\n")}\n`, { packages: [packages], memory });

  it("are made by their functions in every supported way, and can be changed", async () => {
    const file = await read(
      "import torchvision",
      "from torch import nn",
      "from torchvision import datasets, models, transforms",
      "from torchvision.models import tinynet, Weights",
      "import torchvision.transforms as T",
      "a = tinynet(weights=Weights.DEFAULT)",
      "b = models.tinynet(pretrained=True, num_classes=3)",
      "c = torchvision.models.tinynet(True)",
      'd = models.get_model("tinynet", weights="DEFAULT", num_classes=5)',
      "d.fc = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))",
      'names = sorted(name for name in models.__dict__ if name.islower() and not name.startswith("__"))',
      'data = datasets.Tiny("data", transform=T.Compose([transforms.Resize(3)]))',
    );
    assert.deepEqual(messages(file), []);
    assert.deepEqual(
      file.models.map(({ className, root }) => [className, root.kind, root.parameters]),
      [
        ["a", "TinyNet", 5000],
        ["b", "TinyNet", 15],
        ["c", "TinyNet", 5000],
        ["d", "TinyNet", 40 + 18],
      ],
    );
  });

  it("are reported as missing if unknown; an error in a package is not reported as the file's", async () => {
    const file = await read(
      "from torchvision import models",
      "from torchvision.models._api import os_error",
      'a = models.get_model("novel")',
      'b = models.tinynet(classes="many")',
    );
    const told = file.problems.map(({ severity, place, message }) => `${severity} ${place.line} ${message}`);
    assert.equal(
      told[0],
      "information 3 the layers of this model are not shown: the installed torchvision has no novel",
    );
    assert.match(told[1]!, /^warning 4 TypeError: .*classes.* \(in tinynet\.py, line \d+\)$/);
    assert.equal(told.length, 2);
  });
});
