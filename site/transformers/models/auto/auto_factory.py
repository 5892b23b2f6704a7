class Mapping:
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
