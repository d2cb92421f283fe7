"""Handwritten digits by PyTorch: read, train, test."""

import sys

import numpy as np
import torch

digits = {name: torch.from_numpy(array) for name, array in np.load(sys.argv[1]).items()}
x, y = digits["x"], digits["y"]
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
for _ in range(20):
    order = torch.randperm(len(x))
    for features, target in zip(x[order].split(64), y[order].split(64), strict=True):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(features), target).backward()
        optimizer.step()
with torch.no_grad():
    print((model(digits["x_test"]).argmax(1) == digits["y_test"]).float().mean().item())
