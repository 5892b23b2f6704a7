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

/** What transformers 5 has besides: entries that convert the keys of TinyModel's checkpoints. */
export const CONVERSIONS = {
  "site/transformers/core_model_loading.py": `import re
class MergeModulelist:
    def __init__(self, dim=0):
        self.dim = dim
    @property
    def reverse_op(self):
        return SplitModulelist(self.dim)
class SplitModulelist:
    def __init__(self, dim=0):
        self.dim = dim
class WeightTransform:
    __slots__ = ("source_patterns", "target_patterns", "compiled_sources", "scope_prefix")
    def __init__(self, source, target):
        self.source_patterns = [source]
        self.target_patterns = [target]
        self.compiled_sources = re.compile("(?P<g0>" + source.replace("*.", r".*\\.") + ")")
        self.scope_prefix = None
class WeightRenaming(WeightTransform):
    pass
class WeightConverter(WeightTransform):
    def __init__(self, source, target, operations):
        super().__init__(source, target)
        self.operations = operations
    def reverse_transform(self):
        operations = [op.reverse_op for op in self.operations[::-1]]
        return WeightConverter(self.target_patterns[0], self.source_patterns[0], operations)
`,
  "site/transformers/conversion_mapping.py": `from .core_model_loading import MergeModulelist, WeightConverter, WeightRenaming
def get_model_conversion_mapping(model):
    if not type(model).__module__.startswith("transformers."):
        return []
    renaming = WeightRenaming("^dense", "fc")
    renaming.scope_prefix = ""
    return [renaming, WeightConverter("rows.*.part", "head.weight", [MergeModulelist(dim=0)])]
`,
};
