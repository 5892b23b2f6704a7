"""A network without a class of its own: LoRA Lens takes it by its name."""
import torch
import torch.nn as nn

hidden = 96

model = nn.Sequential(
    nn.Linear(64, hidden),
    nn.ReLU(),
    nn.Linear(hidden, hidden),
    nn.ReLU(),
    nn.Linear(hidden, 10),
)


def train(data, labels, epochs=10):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(epochs):
        loss = loss_of(model(data), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
