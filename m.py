from torch import nn
from transformers import AutoModel, TinyModel
model = AutoModel.from_pretrained("tiny")
labeled = TinyModel.from_pretrained("headless")
bare = TinyModel.from_pretrained("bare")
wide = TinyModel.from_pretrained("wide")
class Net(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.out = nn.Linear(2, 1)
net = Net(TinyModel.from_pretrained("tiny"))
