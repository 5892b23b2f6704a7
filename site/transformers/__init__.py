from .tiny import TinyConfig, TinyModel
from .models.auto.auto_factory import AutoModel
from .models.auto.configuration_auto import AutoConfig
from .training import AutoTokenizer, Trainer
