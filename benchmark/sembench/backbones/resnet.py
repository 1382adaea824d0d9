"""torchvision's ResNets as backbones: as published, and a narrow one for small images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from sembench.backbones.backbone import Backbone
from sembench.backbones.weights import not_fetched
from sembench.errors import SuiteInvalid

_AS_CONVOLUTION = ContextVar("_AS_CONVOLUTION", default=False)


@contextmanager
def one_cell_as_convolution() -> Iterator[None]:
    """Context in which `OneCellConv2d` computes as the convolution that it is: rules of relevance go by that."""
    token = _AS_CONVOLUTION.set(True)
    try:
        yield
    finally:
        _AS_CONVOLUTION.reset(token)


class OneCellConv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, quicker on maps of one cell, where only the kernel's centre meets more than padding.

    The last stage of a ResNet has such maps on images of 32 pixels: of a 3x3 kernel eight ninths are multiplied with
    zeros there, and the gradient of these weights is zero.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, E, h', w')``."""
        if input.shape[2:] != (1, 1) or _AS_CONVOLUTION.get():
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


class _HalfWidth(ResNet):  # type: ignore[misc]
    """torchvision's ResNet with half the channels in every stage."""

    def _make_layer(self, block: Any, planes: int, *args: Any, **options: Any) -> Any:
        return super()._make_layer(block, planes // 2, *args, **options)


def _as_backbone(network: ResNet, n_classes: int) -> Backbone:
    """The four residual stages as blocks, the stem in front of the first, with a fresh linear layer."""
    quick_on_one_cell(network)
    stem = (network.conv1, network.bn1, network.relu, network.maxpool)
    blocks = [nn.Sequential(*stem, *network.layer1), network.layer2, network.layer3, network.layer4]
    return Backbone(blocks, nn.Linear(network.inplanes, n_classes))


def _resnet(
    block: type[nn.Module], layers: Sequence[int], imagenet: Any, n_classes: int, *, weights: str = "none"
) -> Backbone:
    network = ResNet(block, list(layers))
    if weights == "imagenet":
        try:
            network.load_state_dict(imagenet.get_state_dict(progress=False, check_hash=True))
        except (OSError, RuntimeError) as error:  # not there, or not what its name says
            raise not_fetched(imagenet.url, error) from error
    elif weights != "none":
        raise SuiteInvalid(f"unknown backbone weights {weights!r}; accepted are 'none' and 'imagenet'.")
    return _as_backbone(network, n_classes)


def resnet10_narrow(n_classes: int, *, weights: str = "none") -> Backbone:
    """One basic block a stage and half of ResNet18's channels (32, 64, 128, 256): for small images and short runs."""
    if weights != "none":
        raise SuiteInvalid(f"resnet10-narrow has no published weights; got {weights!r}, accepted is 'none'.")
    return _as_backbone(_HalfWidth(BasicBlock, [1, 1, 1, 1]), n_classes)


# He et al., CVPR 2016; weights are drawn from the global stream, or those of ImageNet.
resnet18 = partial(_resnet, BasicBlock, (2, 2, 2, 2), models.ResNet18_Weights.IMAGENET1K_V1)
resnet34 = partial(_resnet, BasicBlock, (3, 4, 6, 3), models.ResNet34_Weights.IMAGENET1K_V1)  # of [K] and [C]
resnet50 = partial(_resnet, Bottleneck, (3, 4, 6, 3), models.ResNet50_Weights.IMAGENET1K_V1)
