"""LoRA by hand with one mistake: B lies the wrong way round."""

import math

import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, in_features=64, out_features=128, rank=8, alpha=16):
        super().__init__()
        self.base = nn.Linear(in_features, out_features)
        self.base.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, in_features))
        self.B = nn.Parameter(torch.zeros(rank, out_features))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scaling = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)


layer = LoRALinear()
print(layer(torch.randn(32, 64)).shape)
