import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { layersOf, messages, modelNamed, readTorch, writeFiles } from "../reading";

/** Each number was read off Lightning 2.6.6. */
const SOURCE = `
class Base(pl.LightningModule):
    def __init__(self, base_width, depth=2):
        super().__init__()
        base_width = base_width * 2
        self.save_hyperparameters()
        self.base = nn.Linear(self.hparams.base_width, len(self.hparams))
class Child(Base):
    def __init__(self, base_width=4, extra=7, *rest, **more):
        super().__init__(base_width + 1, depth=3)
        self.net = nn.Linear(self.hparams.base_width, self.hparams.extra)
class Ignored(pl.LightningModule):
    def __init__(self, a=1, b=2, c=3):
        super().__init__()
        self.save_hyperparameters(ignore=["b"])
        self.hparams.added = 5
        self.net = nn.Linear(self.hparams["added"], self.hparams.get("b", 11))
        self.initial = nn.Linear(1, 2 if "added" in self.hparams_initial else 3)
class Named(pl.LightningModule):
    def __init__(self, a=1, b=2, c=3):
        super().__init__()
        self.save_hyperparameters("a", "c")
        self.net = nn.Linear(len(self.hparams), self.hparams.c)
class OfDict(pl.LightningModule):
    def __init__(self, cfg={"width": 3, "b": 1, "c": 2}):
        super().__init__()
        self.save_hyperparameters(cfg)
        self.net = nn.Linear(self.hparams.width, len(self.hparams))
class OfNamespace(pl.LightningModule):
    def __init__(self, args=Namespace(width=4)):
        super().__init__()
        self.hparams.update(vars(args))
        self.net = nn.Linear(self.hparams.width, len(self.hparams))
class Assigned(pl.LightningModule):
    def __init__(self, args=Namespace(width=4)):
        super().__init__()
        self.hparams = args
        self.net = nn.Linear(self.hparams.width, self.hparams["width"])
class InMethod(pl.LightningModule):
    def __init__(self, width=9):
        super().__init__()
        self.keep()
        self.net = nn.Linear(self.hparams.width, 2)
    def keep(self):
        width = 100
        self.save_hyperparameters()
class Plain(HyperparametersMixin, nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(self.hparams.width, 2)
class Around(pl.LightningModule):
    def __init__(self, width=6):
        super().__init__()
        self.save_hyperparameters()
        self.inner = Ignored()
        self.lacks = nn.Linear(1, 2 if hasattr(self.hparams, "depth") else 3)
        self.last = nn.Linear(self.hparams.width, 1 + self.current_epoch)
        self.freeze()
    def training_step(self, batch, batch_idx):
        self.log("loss", 1)
    def on_train_epoch_end(self):
        super().on_train_epoch_end()
`;
const EXPECTED = {
  Child: ["base Linear(4, 3)", "net Linear(4, 7)"],
  Ignored: ["net Linear(5, 11)", "initial Linear(1, 3)"],
  Named: ["net Linear(2, 3)"],
  OfDict: ["net Linear(3, 3)"],
  OfNamespace: ["net Linear(4, 1)"],
  Assigned: ["net Linear(4, 4)"],
  InMethod: ["net Linear(9, 2)"],
  Plain: ["net Linear(8, 2)"],
  Around: ["inner.net Linear(5, 11)", "inner.initial Linear(1, 3)", "lacks Linear(1, 3)", "last Linear(6, 1)"],
};

describe("a LightningModule", () => {
  for (const imports of [
    "import lightning.pytorch as pl\nfrom lightning.pytorch.core.mixins import HyperparametersMixin",
    "import pytorch_lightning as pl\nfrom pytorch_lightning.core.mixins import HyperparametersMixin",
    "import lightning as pl\nfrom lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin",
  ]) {
    it(`takes its sizes from hparams after ${imports.split("\n")[0]}, Lightning not being installed`, async () => {
      const found = await readTorch(`from argparse import Namespace\n${imports}\n${SOURCE}`);
      assert.deepEqual(
        found.problems.filter(({ severity }) => severity !== "information"),
        [],
      );
      for (const [name, layers] of Object.entries(EXPECTED))
        assert.deepEqual(layersOf(modelNamed(found, name)), layers);
      const around = modelNamed(found, "Around").stateDict;
      assert.ok(around.every(({ frozen }) => frozen));
    });
  }

  it("is the same where Lightning is installed, whose own code is not evaluated", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lora-lens-lightning-"));
    try {
      writeFiles(folder, {
        "packages/lightning/__init__.py": "from lightning.pytorch import LightningModule",
        "packages/lightning/pytorch/__init__.py": "from lightning.pytorch.core.module import LightningModule",
        "packages/lightning/pytorch/core/__init__.py": "",
        "packages/lightning/pytorch/core/module.py": "raise RuntimeError()\nclass LightningModule: pass",
        "model.py": `import torch.nn as nn
import lightning as L
class Net(L.LightningModule):
    def __init__(self, width=6):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(self.hparams.width, 2)
`,
      });
      const file = join(folder, "model.py");
      const found = await openModelFile(file, undefined, { packages: [join(folder, "packages")] });
      assert.deepEqual(messages(found), []);
      assert.deepEqual(layersOf(modelNamed(found, "Net")), ["net Linear(6, 2)"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("reports unsupported parts of Lightning, and a missing hyperparameter in Lightning's words", async () => {
    const found = await readTorch(`
import pytorch_lightning as pl
class Net(pl.LightningModule):
    def __init__(self, width=6):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(self.trainer.world_size, 2)
        self.other = nn.Linear(pl.utilities.size(), 2)
        self.broken = nn.Linear(self.hparams.depth, 2)
`);
    assert.deepEqual(messages(found), [
      "10: in_features of net is unknown: trainer belongs to a Trainer, and training is not followed",
      "11: in_features of other is unknown: the import of pytorch_lightning.utilities.size was not followed: it is not installed",
      '12: AttributeError: Missing attribute "depth"',
    ]);
  });

  it("whose keyword arguments are unknown gives no error and no number of parameters", async () => {
    const found = await readTorch(`
import pytorch_lightning as pl
class Keywords(pl.LightningModule):
    def __init__(self, **kwargs):
        super().__init__()
        self.save_hyperparameters()
        self.first = nn.Linear(2, 2)
        self.net = nn.Linear(self.hparams.width, 2)
class Plain(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.net = nn.Linear(kwargs["width"], 2)
`);
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity !== "information"),
      [],
    );
    assert.deepEqual(
      found.models.map(({ root }) => root.parameters),
      [undefined, undefined],
    );
  });
});
