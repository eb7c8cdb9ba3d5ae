"""rival_torch.py CONV SIZE DENSE SIDE BATCH IMAGES EPOCHS: one of the paper's networks in eager PyTorch."""

import json
import os
import resource
import statistics
import sys
import time

import torch
from torch import nn

conv, size, dense, side, batch, images, epochs = map(int, sys.argv[1:])
torch.set_num_threads(os.cpu_count())
torch.manual_seed(0)
pixels = torch.rand(images, 1, side, side)
labels = torch.randint(0, 2, (images, 1)).float()

layers, channels, edge = [], 1, side
for _ in range(conv):
    layers += [nn.Conv2d(channels, size, 3), nn.ReLU(), nn.MaxPool2d(2)]
    channels, edge = size, (edge - 2) // 2
layers.append(nn.Flatten())
width = channels * edge * edge
for _ in range(dense):
    layers += [nn.Linear(width, size), nn.ReLU()]
    width = size
layers.append(nn.Linear(width, 1))
model = nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
loss_of = nn.BCEWithLogitsLoss()



def step(indices):
    optimizer.zero_grad()
    loss = loss_of(model(pixels[indices]), labels[indices])
    loss.backward()
    optimizer.step()
    loss.item()


# One step to warm up.
step(torch.arange(batch))
times = []
for _ in range(epochs):
    begun = time.perf_counter()
    for indices in torch.randperm(images).split(batch):
        step(indices)
    times.append(time.perf_counter() - begun)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"rate": images / statistics.median(times), "memory": peak}))
