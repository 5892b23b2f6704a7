from torch import nn
class PreTrainedModel(nn.Module):
    @classmethod
    def from_pretrained(cls, name):
        raise OSError("looks on the network")
