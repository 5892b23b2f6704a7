/** What from_pretrained needs of transformers: files below the folder of packages, `site`. */
export const TRANSFORMERS = {
  "site/transformers/__init__.py": `from .tiny import TinyConfig, TinyModel
from .models.auto.auto_factory import AutoModel
from .models.auto.configuration_auto import AutoConfig
from .training import AutoTokenizer, Trainer
`,
  "site/transformers/training.py": `def AutoTokenizer(*args):
    raise RuntimeError("reads data")
class Trainer:
    def __init__(self, model):
        raise RuntimeError("trains")
`,
  "site/transformers/configuration_utils.py": `class PreTrainedConfig:
    def __init__(self, num_labels=2, **kwargs):
        self.num_labels = num_labels
        for key, value in kwargs.items():
            setattr(self, key, value)
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
`,
  "site/transformers/modeling_utils.py": `from torch import nn
class PreTrainedModel(nn.Module):
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
`,
  "site/transformers/tiny.py": `from torch import nn
from .configuration_utils import PreTrainedConfig
from .modeling_utils import PreTrainedModel
class TinyConfig(PreTrainedConfig):
    model_type = "tiny"
    def __init__(self, width=3, factor=0.5, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.factor = factor
class TinyModel(PreTrainedModel):
    config: TinyConfig
    def __init__(self, config):
        super().__init__(config)
        self.fc = nn.Linear(config.width, int(config.width * config.factor))
        self.head = nn.Linear(config.width, config.num_labels)
`,
  "site/transformers/models/__init__.py": "",
  "site/transformers/models/auto/__init__.py": "",
  "site/transformers/models/tiny/__init__.py": "",
  "site/transformers/models/auto/configuration_auto.py": `CONFIG_MAPPING_NAMES = {"tiny": "TinyConfig"}
class AutoConfig:
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
`,
  "site/transformers/models/auto/auto_factory.py": `class Mapping:
    _reverse_config_mapping = {"TinyConfig": "tiny"}
    _model_mapping = {"tiny": "TinyModel"}
class AutoModel:
    _model_mapping = Mapping()
    @classmethod
    def from_config(cls, config, **kwargs):
        raise OSError("looks on the network")
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
`,
};
