"""ProtoVAE's convolutional encoder, and the plain classifier on it that [K] Fig. 6 explains on MNIST."""

from __future__ import annotations

from typing import Literal

from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.errors import SuiteInvalid
from sembench.types import Trait

Halving = Literal["pool", "stride"]

_CHANNELS = (32, 64)
_LATENT = 512


def conv_level(before: int, after: int, halving: Halving = "pool") -> nn.Sequential:
    """A 3x3 convolution with ReLU and batch norm, after which the resolution is halved.

    Args:
        before: Incoming channels.
        after: Outgoing channels.
        halving: ``"pool"``: by average pooling. ``"stride"``: by a 4x4 convolution with stride 2, ReLU and batch norm.
    """
    level: list[nn.Module] = [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after)]
    if halving == "pool":
        return nn.Sequential(*level, nn.AvgPool2d(2))
    strided = nn.Conv2d(after, after, 4, stride=2, padding=1)
    return nn.Sequential(*level, strided, nn.ReLU(), nn.BatchNorm2d(after))


def dense_layers(channels: int, cells: int, width: int) -> nn.Sequential:
    """Flattens a map of ``cells`` x ``cells`` and puts two linear layers of ``width`` on it, ReLU between them."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * cells**2, width), nn.ReLU(), nn.Linear(width, width))


def protovae_cnn(n_classes: int, *, image_size: int, weights: str = "none") -> Backbone:
    """ProtoVAE's encoder for MNIST with a linear classifier on it, without prototypes and without a decoder.

    Two blocks of 32 and 64 channels, each of which halves the resolution, are flattened into two linear layers; the
    second one's output is the embedding, of 512 dimensions ([K] A.2). As its head is more than an average and a linear
    layer, `sembench.types.Trait.LINEAR_HEAD` is lacking: CNN-as-SEM and the attribution of [C] do not apply.

    Args:
        n_classes: Classes of the data set.
        image_size: Height and width of the images, pixels; at least 4.
        weights: ``"none"``; there are no published ones.

    Raises:
        SuiteInvalid: If weights are asked for, or the images are too small.

    Note:
        [K] A.4 names the architecture alone. That the embedding is as wide as ProtoVAE's mean, and the classifier is a
        linear layer on it, is [ours].
    """
    if weights != "none":
        raise SuiteInvalid(f"protovae-cnn has no published weights; got {weights!r}, accepted is 'none'.")
    cells = image_size // 2 ** len(_CHANNELS)
    if cells < 1:
        raise SuiteInvalid(f"protovae-cnn halves images twice; got {image_size} pixels, at least 4 are needed.")
    blocks = [conv_level(before, after) for before, after in zip((3, *_CHANNELS), _CHANNELS, strict=False)]
    pool = dense_layers(_CHANNELS[-1], cells, _LATENT)
    backbone = Backbone(blocks, nn.Linear(_LATENT, n_classes), pool=pool, channels=_CHANNELS[-1])
    backbone.lacks[Trait.LINEAR_HEAD] = (
        "its head is not a linear layer on the average of the feature map: two linear layers stand on the flattened map"
    )
    return backbone
