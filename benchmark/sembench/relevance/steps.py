"""Steps of a canonical network and their rules of relevance.

The gradients of these steps are not derivatives: what a step receives from above is relevance, and it hands relevance
down to what it was computed from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from zennit.core import BasicHook, ParamMod

STABILISER = 1e-6
"""Smallest denominator, as a share of the largest one of the image."""

SLIGHT = 1e-12
"""The same in self-normalising networks, where what is divided by a small value was multiplied by it before."""


def stabilised(total: Tensor, least: float = STABILISER) -> Tensor:
    """Denominators kept away from 0 by a share of the largest in the same row (image), not by a fixed number.

    [Zennit] takes 1e-6 itself, which in a network of small activations takes the relevance away: a map must not depend
    on the units that a network computes in [ours].
    """
    largest = total.abs().flatten(1).amax(1) if total.ndim > 1 else total.abs()
    floor = (least * largest).clamp(min=torch.finfo(total.dtype).tiny).view(-1, *[1] * (total.ndim - 1))
    return torch.where(total < 0, total - floor, total + floor)


class _ProportionalSum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, a: Tensor, b: Tensor, least: float) -> Tensor:
        total, context.least = a + b, least
        context.save_for_backward(a, b, total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b, total = context.saved_tensors
        each = gradients[0] / stabilised(total, context.least)
        return (a * each).sum_to_size(a.shape), (b * each).sum_to_size(b.shape), None


def add(a: Tensor, b: Tensor, least: float = STABILISER) -> Tensor:
    """``a + b``, which shares relevance in proportion to the summands ([Zennit]'s ``Norm``).

    R_a = a / (a + b) R
    """
    return _ProportionalSum.apply(a, b, least)  # type: ignore[no-any-return]


class _PassOn(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        context.shape = value.shape
        return function(value)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].sum_to_size(context.shape), None


def pass_on(function: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    """A function of each element, which passes relevance on as it is."""
    return _PassOn.apply(value, function)  # type: ignore[no-any-return]


class _InProportion(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor, function: Callable[[Tensor], Tensor], least: float) -> Tensor:
        context.least = least
        with torch.enable_grad():
            context.value = value.detach().requires_grad_()
            output = function(context.value)
        context.output = output
        return output.detach()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        output, value = context.output, context.value
        each = gradients[0] / stabilised(output.detach(), context.least)
        (down,) = torch.autograd.grad(output, value, each, retain_graph=True)
        return down * value.detach(), None, None


def in_proportion(function: Callable[[Tensor], Tensor], value: Tensor, least: float = STABILISER) -> Tensor:
    """A linear function, which shares relevance in proportion to contributions, without a bias ([Zennit]'s ``Norm``).

    R_i = sum_j (w_ij x_i / sum_k w_kj x_k) R_j
    """
    return _InProportion.apply(value, function, least)  # type: ignore[no-any-return]


class Convolution(nn.Conv2d):
    """A convolution that may pad its input by itself, to each side as it likes.

    Attributes:
        pads: As `torch.nn.functional.pad` takes them.
    """

    pads: tuple[int, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, E, h', w')``."""
        return super().forward(F.pad(input, self.pads) if self.pads else input)


class Depthwise(Convolution):
    """A convolution with one input channel for each output channel."""


class Sizes(BasicHook):  # type: ignore[misc]
    """Relevance in proportion to the sizes of the contributions, |x_i w_i|, without bias [ours].

    Where all are 0 it is shared in proportion to |w_i|. A depthwise convolution has nine inputs, which often all
    inhibit: its activation then comes from the bias alone, and the rule of the other convolutions (``ZPlus``) finds no
    positive contribution. Measured on an ImageNet MobileNetV2, .001 of the relevance arrived at the pixels that way.
    """

    def __init__(self) -> None:
        super().__init__(
            input_modifiers=[lambda value: stabilised(value.abs())],
            param_modifiers=[ParamMod(_sizes)],
            output_modifiers=[lambda output: output],
            gradient_mapper=lambda gradient, outputs: gradient / (outputs[0] + torch.finfo(gradient.dtype).tiny),
            reducer=lambda inputs, gradients: inputs[0] * gradients[0],
        )


def _sizes(parameter: Tensor, name: str) -> Tensor:
    return torch.zeros_like(parameter) if name == "bias" else parameter.abs()
