"""Convolutions on maps of one cell: the results and gradients of torch's own."""

import copy

import pytest
import torch
from torch import nn

from sembench.backbones.resnet import OneCellConv2d, quick_on_one_cell, resnet18
from sembench.seeding import generator, isolated


def convolution(**options):
    with isolated(0):
        return nn.Conv2d(4, 6, **{"kernel_size": 3, "padding": 1, **options})


def images(side, count=5):
    return torch.randn(count, 4, side, side, generator=generator(0, "one cell"), dtype=torch.float64)


def results(layer, x):
    layer, x = layer.double(), x.clone().requires_grad_(True)
    out = layer(x)
    out.square().sum().backward()
    return [out, x.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"stride": 2}, {"kernel_size": (5, 3), "padding": (2, 1)}])
@pytest.mark.parametrize("side", [1, 2, 5])
def test_values_and_gradients_are_those_of_a_convolution(options, side):
    plain = convolution(**options)
    quick = copy.deepcopy(plain)
    quick_on_one_cell(quick)
    assert type(quick) is OneCellConv2d
    for found, expected in zip(results(quick, images(side)), results(plain, images(side)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 0},
        {"padding": 2},
        {"dilation": 2},
        {"groups": 2},
        {"padding": "same"},
        {"padding_mode": "reflect"},
        {"kernel_size": 1, "padding": 0},
        {"kernel_size": 4, "padding": 2},
    ],
)
def test_convolutions_of_other_kinds_stay_as_they_are(options):
    layer = convolution(**options)
    quick_on_one_cell(layer)
    assert type(layer) is nn.Conv2d


def test_the_weights_outside_the_centre_get_no_gradient_on_one_cell():
    layer = convolution()
    quick_on_one_cell(layer)
    results(layer, images(1))
    outside = layer.weight.grad.clone()
    outside[:, :, 1, 1] = 0
    assert outside.count_nonzero() == 0


def test_the_backbones_of_the_registry_use_it_and_keep_their_parameters():
    with isolated(0):
        backbone = resnet18(10)
    kinds = [type(module) for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    assert kinds.count(OneCellConv2d) == 17
    assert kinds.count(nn.Conv2d) == 3  # shortcuts of 1x1
    assert all(name.startswith(("blocks.", "classifier.")) for name in backbone.state_dict())
