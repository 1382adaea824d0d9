"""Layer-wise relevance propagation again, from the formulas: loops over cells and taps, one rule a function.

Flat for the first layer, ZPlus for other convolutions, Epsilon for linear layers, Norm for average pooling and residual
sums, the gradient for max pooling; activations pass relevance on; batch norm is merged into the convolution before it.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from sembench.backbones.backbone import Backbone, freeze
from sembench.relevance.propagation import black_box_relevance
from sembench.seeding import isolated

STABILISER = 1e-6  # the engine's is relative to the largest value of the image: the tolerance below covers that


def stabilised(value):
    return value + (STABILISER if value >= 0 else -STABILISER)


class Convolution:
    """A convolution as plain numbers, a following batch norm merged in."""

    def __init__(self, layer, norm=None):
        self.weight = layer.weight.detach().numpy().copy()
        self.bias = np.zeros(len(self.weight)) if layer.bias is None else layer.bias.detach().numpy().copy()
        self.stride, self.padding = layer.stride[0], layer.padding[0]
        if norm is not None:
            for channel in range(len(self.weight)):
                scale = norm.weight[channel].item() / math.sqrt(norm.running_var[channel].item() + norm.eps)
                self.weight[channel] *= scale
                self.bias[channel] = (self.bias[channel] - norm.running_mean[channel].item()) * scale
                self.bias[channel] += norm.bias[channel].item()

    def cells(self, height, width):
        """Every output cell with its taps: (output index, [(input index, weight), ...])."""
        channels_out, channels_in, size, _ = self.weight.shape
        rows = (height + 2 * self.padding - size) // self.stride + 1
        columns = (width + 2 * self.padding - size) // self.stride + 1
        for o, y, x in itertools.product(range(channels_out), range(rows), range(columns)):
            taps = []
            for c, i, j in itertools.product(range(channels_in), range(size), range(size)):
                row, column = y * self.stride + i - self.padding, x * self.stride + j - self.padding
                if 0 <= row < height and 0 <= column < width:
                    taps.append(((c, row, column), self.weight[o, c, i, j]))
            yield (o, y, x), taps

    def forward(self, value):
        found = {}
        for cell, taps in self.cells(*value.shape[1:]):
            found[cell] = sum(weight * value[tap] for tap, weight in taps) + self.bias[cell[0]]
        shape = np.max(list(found), axis=0) + 1
        return np.array([found[cell] for cell in np.ndindex(*shape)]).reshape(shape)

    def flat(self, value, relevance):
        """Every tap inside the image takes the same part; there is no bias."""
        result = np.zeros_like(value)
        for cell, taps in self.cells(*value.shape[1:]):
            for tap, _ in taps:
                result[tap] += relevance[cell] / stabilised(len(taps))
        return result

    def zplus(self, value, relevance, *, with_bias):
        """Every tap takes its part of the positive contributions."""
        result = np.zeros_like(value)
        for cell, taps in self.cells(*value.shape[1:]):
            contributions = [max(0.0, weight * value[tap]) for tap, weight in taps]
            total = sum(contributions) + (max(0.0, self.bias[cell[0]]) if with_bias else 0.0)
            for (tap, _), contribution in zip(taps, contributions, strict=True):
                result[tap] += relevance[cell] * contribution / stabilised(total)
        return result


def relevance_of_linear(layer, value, target, seed, *, with_bias):
    """Epsilon rule for relevance on one output."""
    weight = layer.weight.detach().numpy()[target]
    total = sum(w * z for w, z in zip(weight, value, strict=True))
    total += layer.bias[target].item() if with_bias else 0.0
    return np.array([seed * w * z / stabilised(total) for w, z in zip(weight, value, strict=True)])


def relevance_of_average_pooling(value, relevance):
    """Norm rule: every cell takes its part of the mean."""
    result = np.zeros_like(value)
    cells = value.shape[1] * value.shape[2]
    for c, y, x in np.ndindex(*value.shape):
        result[c, y, x] = relevance[c] * (value[c, y, x] / cells) / stabilised(value[c].mean())
    return result


def max_pooling(value, size):
    """The pooled map, and for each of its cells where the maximum was."""
    channels, height, width = value.shape
    pooled, winners = np.zeros((channels, height // size, width // size)), {}
    for c, y, x in np.ndindex(*pooled.shape):
        window = [(c, y * size + i, x * size + j) for i, j in itertools.product(range(size), range(size))]
        winners[c, y, x] = max(window, key=lambda cell: value[cell])
        pooled[c, y, x] = value[winners[c, y, x]]
    return pooled, winners


def probability(logits, target):
    powers = [math.exp(value - max(logits)) for value in logits]
    return powers[target] / sum(powers)


def head(backbone, features, target, *, with_bias):
    """Logits from the last feature map, and the relevance of that map for a class (None: the predicted one)."""
    embedding = features.mean((1, 2))
    layer = backbone.classifier
    logits = [
        sum(w * z for w, z in zip(row, embedding, strict=True)) + bias
        for row, bias in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    ]
    chosen = int(np.argmax(logits)) if target is None else target
    seed = probability(logits, chosen)
    channels = relevance_of_linear(layer, embedding, chosen, seed, with_bias=with_bias)
    return relevance_of_average_pooling(features, channels)


def one_convolution():
    """Convolution, ReLU, average pooling, linear layer."""
    return Backbone([nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())], nn.Linear(4, 3))


def relevance_by_hand_of_one_convolution(backbone, image, target, *, with_bias):
    convolution = Convolution(backbone.blocks[0][0])
    features = np.maximum(convolution.forward(image), 0)
    relevance = head(backbone, features, target, with_bias=with_bias)
    return convolution.flat(image, relevance).sum(0)


def two_convolutions():
    """A convolution with stride and padding, batch norm, ReLU, max pooling, a second convolution, ReLU."""
    first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    second = nn.Sequential(nn.Conv2d(4, 5, 2), nn.ReLU())
    return Backbone([nn.Sequential(*first, nn.MaxPool2d(2)), second], nn.Linear(5, 3))


def relevance_by_hand_of_two_convolutions(backbone, image, target, *, with_bias):
    first = Convolution(backbone.blocks[0][0], backbone.blocks[0][1])
    second = Convolution(backbone.blocks[1][0])
    active = np.maximum(first.forward(image), 0)
    pooled, winners = max_pooling(active, 2)
    features = np.maximum(second.forward(pooled), 0)
    relevance = head(backbone, features, target, with_bias=with_bias)
    relevance = second.zplus(pooled, relevance, with_bias=with_bias)
    below = np.zeros_like(active)
    for cell, winner in winners.items():
        below[winner] += relevance[cell]
    return first.flat(image, below).sum(0)


def residual():
    """A stem and one of torchvision's basic blocks with a projection on its shortcut."""
    shortcut = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2, bias=False), nn.BatchNorm2d(4))
    stem = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU())
    return Backbone([stem, nn.Sequential(BasicBlock(3, 4, stride=2, downsample=shortcut))], nn.Linear(4, 3))


def relevance_by_hand_of_residual(backbone, image, target, *, with_bias):
    block = backbone.blocks[1][0]
    stem = Convolution(backbone.blocks[0][0], backbone.blocks[0][1])
    first, second = Convolution(block.conv1, block.bn1), Convolution(block.conv2, block.bn2)
    shortcut = Convolution(*block.downsample)
    entered = np.maximum(stem.forward(image), 0)
    middle = np.maximum(first.forward(entered), 0)
    branch, identity = second.forward(middle), shortcut.forward(entered)
    features = np.maximum(branch + identity, 0)
    relevance = head(backbone, features, target, with_bias=with_bias)
    upper = np.zeros_like(branch)
    lower = np.zeros_like(identity)
    for cell in np.ndindex(*features.shape):
        total = stabilised(branch[cell] + identity[cell])
        upper[cell] = relevance[cell] * branch[cell] / total
        lower[cell] = relevance[cell] * identity[cell] / total
    through = second.zplus(middle, upper, with_bias=with_bias)
    through = first.zplus(entered, through, with_bias=with_bias)
    around = shortcut.zplus(entered, lower, with_bias=with_bias)
    return stem.flat(image, through + around).sum(0)


NETWORKS = {
    "one convolution": (one_convolution, relevance_by_hand_of_one_convolution),
    "two convolutions": (two_convolutions, relevance_by_hand_of_two_convolutions),
    "residual": (residual, relevance_by_hand_of_residual),
}


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 7, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture(params=NETWORKS)
def network(request, images):
    """A frozen network in double precision, and its relevance by hand."""
    make, by_hand = NETWORKS[request.param]
    with isolated(1):
        backbone = make().double()
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
                module.eps = 1e-12  # zennit divides by sqrt(1 + eps) once more after merging
        for parameter in backbone.classifier.parameters():
            parameter.data.mul_(3)
    backbone.train()
    with torch.no_grad():
        for _ in range(3):
            backbone(images * 1.5)
    return freeze(backbone), by_hand


@pytest.mark.parametrize("bias", ["share", "zero"])
@pytest.mark.parametrize("target", [None, 0, 1, 2])
def test_relevance_is_what_the_rules_give_by_hand(network, images, target, bias):
    backbone, by_hand = network
    targets = None if target is None else torch.full((len(images),), target)
    found = black_box_relevance(backbone, images, targets, bias=bias)
    for row, image in zip(found, images.numpy(), strict=True):
        expected = by_hand(backbone, image, target, with_bias=bias == "share")
        np.testing.assert_allclose(row.numpy(), expected, rtol=1e-3, atol=1e-6)
        assert np.abs(expected).max() > 1e-4
