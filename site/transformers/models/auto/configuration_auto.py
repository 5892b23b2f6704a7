CONFIG_MAPPING_NAMES = {"tiny": "TinyConfig"}
class AutoConfig:
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
