"""Backbones made by hand are examined where they come in: at a workbench, and from a plugin's factory."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones.backbone import Backbone, built
from sembench.backbones.checks import by_parts, examined_copy
from sembench.backbones.tracing import probe_images
from sembench.backbones.views import View
from sembench.errors import BackboneUnfit, PluginBroken, SuiteInvalid
from sembench.plugins.registry import Registry
from sembench.running import black_box
from sembench.suites.network import BackboneSpec
from sembench.workbench import Workbench

pytestmark = pytest.mark.filterwarnings("ignore:no mean and std", "ignore:the black box is right on")

SIZE = 12


class Step(nn.Module):
    """A convolution, and a function of it and of what it is given."""

    def __init__(self, function, before=8):
        super().__init__()
        self.conv, self.function = nn.Conv2d(before, 8, 3, padding=1), function

    def forward(self, x):
        return self.function(self.conv, x)


class Cosine(nn.Linear):
    """A head that is no linear layer."""

    def forward(self, input):
        return 100 * F.linear(F.normalize(input), F.normalize(self.weight))


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def first():
    return nn.Conv2d(3, 8, 3, padding=1)


def second():
    return nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))


def made(one=None, two=None, head=None, **options):
    torch.manual_seed(0)
    return Backbone([one or first(), two or second()], head or nn.Linear(8, 10), **options).eval()


def added(conv, x):
    y = conv(F.relu(x))
    x += y
    return x


def overwritten_by_data(conv, x):
    x.data.mul_(0.5)
    return conv(x)


REFUSED = {
    "ReLU in place": (
        lambda: made(two=nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3))),
        r"blocks\[1\] \(Sequential\) overwrites what blocks\[0\] .* gives, .*inplace=False",
    ),
    "sum in place": (lambda: made(two=Step(added)), r"blocks\[1\] \(Step\) overwrites what blocks\[0\] .* gives"),
    "past autograd": (lambda: made(two=Step(overwritten_by_data)), r"blocks\[1\] \(Step\) overwrites what blocks\[0\]"),
    "images": (
        lambda: made(Step(lambda conv, x: conv(x.sub_(0.5)), before=3)), r"blocks\[0\] \(Step\) overwrites the images"
    ),
    "pool in place": (
        lambda: made(pool=nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))),
        r"the pool \(Sequential\) overwrites what blocks\[1\] .* gives",
    ),
    "dropout": (lambda: made(two=Step(lambda conv, x: F.dropout(conv(x), 0.5))), "other logits .* called again"),
    "no running statistics": (
        lambda: made(two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, track_running_stats=False))),
        "blocks.1.1 is a BatchNorm2d without running statistics",
    ),
    "batch": (
        lambda: made(two=Step(lambda conv, x: conv(x) - conv(x).mean(0, keepdim=True))), "an image alone than in"
    ),
    "one channel": (lambda: made(nn.Conv2d(1, 8, 3)), r"blocks\[0\] \(Conv2d\) fails on an input \(2, 3, 12, 12\): "),
    "memory order": (
        lambda: made(head=nn.Linear(288, 10), pool=Call(lambda x: x.view(len(x), -1)), channels=8),
        r"the pool \(Call\) fails on an input \(., 8, 6, 6\): .*view size",
    ),
    "tuple": (lambda: made(two=Step(lambda conv, x: (conv(x), x))), r"blocks\[1\] \(Step\) gives a tuple; a feature"),
    "tokens": (
        lambda: made(two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(2))),
        r"blocks\[1\] \(Sequential\) gives \(2, 8, 100\); .*views=\[View\('tokens'",
    ),
    "wrong view": (
        lambda: made(two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(2)), views=[View(), View("tokens", 3, 3)]),
        r"the view of blocks\[1\] \(Sequential\) fails",
    ),
    "channels": (lambda: made(head=nn.Linear(288, 10), pool=nn.Flatten()), r"Backbone\(\.\.\., channels=8\)"),
    "width": (lambda: made(pool=nn.Flatten()), r"the pool \(Flatten\) gives \(2, 288\); \(B, 8\) is needed"),
    "views": (lambda: made(views=[View()]), "it has 2 blocks and 1 views"),
    "no block": (lambda: Backbone([], nn.Linear(3, 10)), "it has 0 blocks and 0 views"),
    "detached": (lambda: made(two=Step(lambda conv, x: conv(x).detach())), "no gradient leads from the embedding"),
    "half a map": (
        lambda: made(two=Step(lambda conv, x: conv(x).half()), pool=Call(lambda x: x.float().mean((2, 3)))),
        r"the feature map of 'blocks\[1\]' is of torch.float16",
    ),
    "half an embedding": (
        lambda: made(pool=Call(lambda x: x.half().mean((2, 3)))),
        r"the linear layer \(Linear\) fails on an input \(2, 8\): ",
    ),
    "no derivative": (
        lambda: made(two=Step(lambda conv, x: torch.heaviside(conv(x), x))),
        r"no gradient goes back through blocks\[1\] \(Step\): .*heaviside",
    ),
    "inference mode": (
        lambda: made(two=Step(lambda conv, x: torch.inference_mode()(conv)(x))), "no gradient leads from the embedding"
    ),
    "NaN": (
        lambda: made(head=filled(nn.Linear(8, 10), float("nan"))), "the weights hold NaN .* is 'classifier.weight'"
    ),
}  # fmt: skip


def dead(layer):
    nn.init.constant_(layer.bias, -99.0)
    return layer


def filled(layer, value):
    nn.init.constant_(layer.weight, value)
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_a_backbone_that_cannot_be_explained_is_refused_with_the_part_named(name):
    make, reason = REFUSED[name]
    with pytest.raises(BackboneUnfit, match=reason):
        examined_copy(make(), SIZE, [])


def normed_before(layer):
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = nn.utils.weight_norm(layer)
    layer(torch.zeros(1, 8, 4, 4))  # leaves a weight that was computed
    return layer


TAKEN = {
    "plain": made,
    "in training mode": lambda: made().train(),
    "half precision": lambda: made().half(),
    "double precision": lambda: made().double(),
    "weight norm": lambda: made(two=normed_before(nn.Conv2d(8, 8, 3))),
    "one block twice": lambda: (lambda block: Backbone([first(), block, block], nn.Linear(8, 10)))(second()),
    "in place inside": lambda: made(two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True))),
    "dead on noise": lambda: made(two=nn.Sequential(dead(nn.Conv2d(8, 8, 3)), nn.ReLU())),
    "cosine head": lambda: made(head=Cosine(8, 10, bias=False)),
    "tiny logits": lambda: made(head=filled(nn.Linear(8, 10, bias=False), 1e-9)),
    "dropout in training": lambda: made(two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.Dropout())),
    "tokens": lambda: made(
        two=nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(2), Call(lambda x: x.transpose(1, 2))),
        pool=Call(lambda x: x.mean(1)), views=[View(), View("tokens", 10, 10)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_a_copy_is_the_same_function_and_its_maps_are_never_overwritten(name):
    network, notes, images = TAKEN[name](), [], probe_images(3, SIZE)
    taken = examined_copy(network, SIZE, notes)
    assert taken.training == network.training
    assert {parameter.dtype for parameter in taken.parameters()} == {torch.float32}
    assert bool(notes) == ("precision" in name)
    taken.eval()
    with torch.no_grad():
        expected = network.eval()(images.to(network.classifier.weight.dtype)).float()
        torch.testing.assert_close(taken(images), expected, rtol=1e-2, atol=1e-3)
        assert torch.equal(by_parts(taken, images)[1], taken(images))
        value = images.clone()
        for block, view, found in zip(taken.blocks, taken.views, taken.feature_maps(images.clone()), strict=True):
            value = block(value.clone())
            assert torch.equal(view.map(value), found)


def test_lazy_layers_get_their_weights():
    assert examined_copy(made(nn.LazyConv2d(8, 3)), SIZE, notes := []).blocks[0].weight.shape == (8, 3, 3, 3)
    assert "lazy layers" in notes[0]


def test_a_classifier_that_is_no_linear_layer_is_refused():
    with pytest.raises(BackboneUnfit, match=r"the classifier is a Sequential, and has to be an nn\.Linear"):
        made(head=nn.Sequential(nn.ReLU(), nn.Linear(8, 10)))


@pytest.fixture(scope="module")
def bench():
    return Workbench("tiny-digits")


def test_a_workbench_fits_and_trains_no_network_that_overwrites_its_maps(bench):
    wrong = made(two=nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3)))
    for use in (lambda: bench.fit("kmex", wrong), lambda: bench.train(wrong, epochs=1)):
        with pytest.raises(BackboneUnfit, match=r"blocks\[1\] \(Sequential\) overwrites"):
            use()
    with pytest.raises(SuiteInvalid, match=r"the network is a Sequential; a sembench\.Backbone is needed"):
        bench.fit("kmex", nn.Sequential(first()))


def test_a_network_in_half_precision_is_fitted_and_renewed_in_single_precision(bench):
    network = built(lambda: made().half())
    with pytest.warns(UserWarning, match="its weights of float16 are computed with in float32"):
        fitted = bench.fit("blackbox", network)
    assert fitted.backbone.renewed().classifier.weight.dtype == torch.float32
    single = bench.fit("blackbox", copy.deepcopy(network).float())
    assert single.reference is fitted.reference


def test_a_factory_of_a_plugin_is_examined_where_it_makes_a_backbone(monkeypatch):
    registry = Registry("backbone", "test.none")
    monkeypatch.setattr(black_box, "BACKBONES", registry)
    registry.register("right")(lambda n_classes, *, weights: made())
    registry.register("wrong")(lambda n_classes, *, weights: made(two=Step(added)))
    registry.register("none")(lambda n_classes, *, weights: nn.Linear(3, n_classes))

    def backbone(name):
        normalisation = black_box.Normalisation((0.0,) * 3, (1.0,) * 3)
        return black_box.backbone_of(BackboneSpec(name=name), 10, image_size=SIZE, normalisation=normalisation)

    assert backbone("right").renewed().n_classes == 10
    with pytest.raises(BackboneUnfit, match=r"blocks\[1\] \(Step\) overwrites"):
        backbone("wrong")
    with pytest.raises(PluginBroken, match="backbone 'none' makes a Linear"):
        backbone("none")
