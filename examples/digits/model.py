"""A small classifier of handwritten digits."""

import torch
from torch import nn


class DigitClassifier(nn.Module):
    """Tells which digit an 8 x 8 image shows.

    Images come as rows of 64 pixels, each from 0 (paper) to 16 (ink).
    """

    def __init__(self, pixels=64, hidden=128, classes=10):
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, classes)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = x / 16  # to 0 ... 1
        x = self.relu(self.fc1(x))
        x = self.relu(self.fc2(x))
        return self.head(x)  # one logit for each digit


if __name__ == "__main__":
    model = DigitClassifier()
    images = torch.rand(32, 64) * 16
    print(model(images).argmax(dim=-1))
