"""A program of your own: a small network learns a sine. Needs torch and tensorboard.

All that Gridboard wants of it are TensorBoard event files below $GRIDBOARD_RUN_DIR.
"""

import argparse
import os

import torch
from torch.utils.tensorboard import SummaryWriter

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--width", type=int, required=True)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)
device = "cuda:0" if torch.cuda.is_available() else "cpu"  # the run's own GPU is the only one that it sees
x = torch.linspace(-3, 3, 256, device=device).unsqueeze(1)
train, validation = x[::2], x[1::2]
network = torch.nn.Sequential(torch.nn.Linear(1, args.width), torch.nn.Tanh(), torch.nn.Linear(args.width, 1)).to(device)
optimizer = torch.optim.Adam(network.parameters(), args.learning_rate)

with SummaryWriter(os.environ["GRIDBOARD_RUN_DIR"]) as writer:
    for epoch in range(100):
        loss = torch.nn.functional.mse_loss(network(train), train.sin())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            writer.add_scalar("validation/loss", torch.nn.functional.mse_loss(network(validation), validation.sin()), epoch)
        writer.add_scalar("train/loss", loss.item(), epoch)
