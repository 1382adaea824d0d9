"""Convolutions on feature maps of one cell, computed by the kernel's centre alone: the rest meets padding.

The last stage of a ResNet has maps of 1x1 on images of 32 pixels. A 3x3 convolution multiplies eight ninths of its
weights with padding there, and the gradient of these weights is zero.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class OneCellConv2d(nn.Conv2d):
    """A convolution with the results, gradients and parameters of `torch.nn.Conv2d`, quick on maps of one cell."""

    def forward(self, input: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, E, h', w')``."""
        if input.shape[2:] != (1, 1):
            return super().forward(input)
        row, column = (size // 2 for size in self.kernel_size)
        return F.linear(input.flatten(1), self.weight[:, :, row, column], self.bias)[:, :, None, None]


def quick_on_one_cell(network: nn.Module) -> None:
    """Lets every convolution of a network to which this applies skip its padding, in place."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _keeps_one_cell(module):
            module.__class__ = OneCellConv2d  # the same parameters and hooks; only the arithmetic differs


def _keeps_one_cell(convolution: nn.Conv2d) -> bool:
    """Whether a map of one cell stays one cell, seen by the kernel's centre and otherwise surrounded by zeros."""
    centred = all(
        size % 2 == 1 and size > 1 and padding == size // 2
        for size, padding in zip(convolution.kernel_size, convolution.padding, strict=False)
        if isinstance(padding, int)
    )
    named = isinstance(convolution.padding, str) or convolution.padding_mode != "zeros"
    return centred and not named and convolution.groups == 1 and set(convolution.dilation) == {1}
