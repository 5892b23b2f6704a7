"""PyTorch with PEFT's side of the benchmark: LoRA training steps of a multilayer perceptron, timed one by one.

A request is one line of JSON on standard input, its answer one line on standard output; the process stays alive, so
that runs can alternate with those of the other side. Needs torch and peft.

Request:  {"sizes": [784, 512, 512, 10], "batch": 32, "rank": 8, "steps": 200, "warmup": 20, "threads": 2, "seed": 0}
          threads: by default the number of cores; steps, warmup, seed: as above
Answer:   {"stepMs": [...], "warmupMs": [...], "peakMB": 312.4, "loss": 1.93, "threads": 2, "torch": "...", "peft": "..."}
          or {"error": "..."}

peakMB is the process's largest resident set so far, in units of 10^6 bytes: start a process for each case to compare it.
"""

import json
import os
import resource
import sys
import time

import peft
import torch
from torch import nn


def make_model(sizes, rank):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["0", "2"])
    return peft.get_peft_model(model, config)


def measure(sizes, batch, rank=8, steps=200, warmup=20, threads=None, seed=0):
    torch.set_num_threads(threads or os.cpu_count())
    torch.manual_seed(seed)
    model = make_model(sizes, rank)
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    inputs = torch.randn(batch, sizes[0])
    labels = torch.randint(0, sizes[-1], (batch,))

    milliseconds = []
    for _ in range(warmup + steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        value = loss.item()
        milliseconds.append(1000 * (time.perf_counter() - start))

    return {
        "stepMs": milliseconds[warmup:],
        "warmupMs": milliseconds[:warmup],
        "peakMB": peak_bytes() / 1e6,
        "loss": value,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "peft": peft.__version__,
    }


def peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux kilobytes


def main():
    for line in sys.stdin:
        try:
            answer = measure(**json.loads(line))
        except Exception as error:  # the other side reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
