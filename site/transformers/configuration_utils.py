class PreTrainedConfig:
    def __init__(self, num_labels=2, **kwargs):
        self.num_labels = num_labels
        for key, value in kwargs.items():
            setattr(self, key, value)
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
