from torch import nn
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
