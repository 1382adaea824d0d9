"""The ResNet20 of He et al. for CIFAR-10, with the weights that are published for it, as one's own network.

Three stages of 16, 32 and 64 channels; a shortcut that halves the map takes every second pixel and pads channels with
zeros (option A). The last feature map of an image of 32 pixels has 8x8 cells, where most networks for small images
have one. `resnet20-12fca82f.th` is published with https://github.com/akamaster/pytorch_resnet_cifar10 (BSD 2-clause);
put it into the working directory.

K. He, X. Zhang, S. Ren, J. Sun: *Deep Residual Learning for Image Recognition*, CVPR 2016, section 4.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS, DEPTH = (16, 32, 64), 3


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, beside a shortcut without weights."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.step, self.more = after // before, (after - before) // 2
        self.conv1 = nn.Conv2d(before, after, 3, stride=self.step, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, D', h', w')``."""
        within = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(features)))))
        if self.step > 1:
            features = F.pad(features[:, :, :: self.step, :: self.step], (0, 0, 0, 0, self.more, self.more))
        return self.relu2(within + features)  # type: ignore[no-any-return]


class ResNet20(nn.Module):
    """Normalised images ``(B, 3, 32, 32)`` to logits ``(B, 10)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU()
        before = WIDTHS[0]
        for number, width in enumerate(WIDTHS, 1):
            stage = [Residual(before if first else width, width) for first in (True, *[False] * (DEPTH - 1))]
            setattr(self, f"layer{number}", nn.Sequential(*stage))
            before = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(before, 10)

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        return self.linear(self.pool(features).flatten(1))  # type: ignore[no-any-return]


def load(path: str) -> ResNet20:
    """The network with the published weights, whose names start with ``module.``."""
    stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    network = ResNet20()
    missing, unknown = network.load_state_dict(
        {name.removeprefix("module."): tensor for name, tensor in stored.items()}, strict=False
    )
    if unknown or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"{path} does not fit: missing {missing}, unknown {unknown}.")
    return network.eval()
