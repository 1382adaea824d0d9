"""Small networks of one form whose forward pass, or a part of it, is written by each test in a way of its own."""

import torch
import torch.nn.functional as F
from torch import nn

from sembench.seeding import generator


class Net(nn.Module):
    """Two stages, a pool and a linear layer; the steps in between are each test's."""

    def __init__(self, **parts):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.fc = nn.Linear(6, 4)
        for name, part in parts.items():
            setattr(self, name, part)

    def middle(self, x):
        return F.relu(x)

    def forward(self, x):
        x = self.middle(self.norm(self.first(x)))
        return self.fc(self.second(x).mean((2, 3)))


def way(written, **parts):
    """A network whose middle is written in this way."""
    return lambda: type("Way", (Net,), {"middle": written})(**{k: v() for k, v in parts.items()})


def whole(written, **parts):
    """A network whose whole forward pass is written in this way."""
    return lambda: type("Whole", (Net,), {"forward": written})(**{k: v() for k, v in parts.items()})


class Flat(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


def conv():
    return nn.Conv2d(6, 6, 3, padding=1)


def images(count=3, size=16):
    return torch.randn(count, 3, size, size, generator=generator(3, "images"))
