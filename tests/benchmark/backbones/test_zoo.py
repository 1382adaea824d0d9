"""Networks of torchvision and timm as they come: what each is, refuses and shows, held against a table."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones import timm as of_timm
from sembench.backbones import torchvision as of_torchvision
from sembench.backbones.backbone import Backbone
from sembench.data.dataset import make_dataset
from sembench.errors import BackboneUnfit, SembenchError
from sembench.explainers.configuration import recipe
from sembench.relevance.conservation import TOLERANCE
from sembench.relevance.propagation import propagate
from sembench.running.black_box import adapt
from sembench.seeding import generator, isolated
from sembench.types import Trait

pytestmark = pytest.mark.slow
CLASSES = 3

# Name, and side of the images where 64 pixels are too small.
EXPLAINED = {
    "vit-b-16": 64, "swin-t": 64, "convnext-tiny": 64, "efficientnet-v2-s": 64, "maxvit-t": 224,
    "resnet18": 64, "densenet121": 32, "googlenet": 64, "inception-v3": 96, "mobilenet-v3-small": 64,
    "regnet-y-400mf": 64, "shufflenet-v2-x0-5": 64, "alexnet": 64,
    "timm.vit_tiny_patch16_224": 64, "timm.vit_small_patch14_reg4_dinov2": 56, "timm.convit_tiny": 64,
    "timm.gmlp_ti16_224": 64, "timm.poolformer_s12": 64, "timm.convnextv2_atto": 64, "timm.edgenext_xx_small": 64,
    "timm.mobilevit_xxs": 64, "timm.ghostnet_050": 64,
    "timm.fasternet_t0": 64, "timm.fastvit_t8": 64, "timm.lcnet_035": 64, "timm.hgnetv2_b0": 64,
    "timm.legacy_seresnet18": 64, "timm.starnet_s050": 64,
}  # fmt: skip
NOT_APPLICABLE = {
    "timm.lambda_resnet26t": "its step 'bmm' has no rule of relevance: a product of two values of the image",
    "timm.efficientvit_b0": "its step 'bmm' has no rule of relevance: a product of two values of the image",
    "timm.repvgg_a0": "of both signs: it grows where branches of opposite sign nearly cancel in a sum",
}
REFUSED = {
    "squeezenet1-1": "the last step is flatten, not a linear layer",
    "timm.dla34": "the last step is Flatten, not a linear layer",
    "timm.deit_tiny_distilled_patch16_224": "the last step is truediv, not a linear layer",
    "timm.hiera_tiny_224": "there is no feature map",
    "timm.coat_lite_tiny": "there is no feature map",
    "timm.crossvit_9_240": "does not take images of",
}


def made(name, side):
    """The module behind a name, with initial weights, and images."""
    pytest.importorskip("timm") if name.startswith("timm.") else None
    with isolated(0):
        if name.startswith("timm."):
            network = of_timm._network(name.removeprefix("timm."), CLASSES, side, "none")
        else:
            network = of_torchvision._network(name.replace("-", "_"), CLASSES, side, "none")
        for part in network.modules():  # some begin with a linear layer of zeros, which says nothing
            if isinstance(part, nn.Linear) and part.out_features == CLASSES and not part.weight.any():
                nn.init.normal_(part.weight)
    return network.eval(), torch.randn(2, 3, side, side, generator=generator(0, "zoo", side))


def batch_norm(norm, x):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


def layer_norm(norm, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def linear(layer, x):
    return x @ layer.weight.t() if layer.bias is None else x @ layer.weight.t() + layer.bias


def convolution(layer, x):
    y = F.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    return y if layer.bias is None else y + layer.bias[:, None, None]


BY_HAND = {
    nn.BatchNorm2d: batch_norm, nn.LayerNorm: layer_norm, nn.Linear: linear, nn.Conv2d: convolution,
    nn.ReLU: lambda step, x: torch.where(x > 0, x, 0.0), nn.ReLU6: lambda step, x: x.clamp(0, 6),
    nn.SiLU: lambda step, x: x * torch.sigmoid(x),
    nn.Hardswish: lambda step, x: x * (x + 3).clamp(0, 6) / 6,
    nn.GELU: lambda step, x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))),
}  # fmt: skip


def rewritten(network):
    """A copy that computes the same by other operations: norms, layers and activations are written out."""
    network = copy.deepcopy(network)
    for part in network.modules():
        if type(part) in BY_HAND:
            part.forward = BY_HAND[type(part)].__get__(part)
    return network


def cosine(a, b):
    """The least cosine of two maps of one image, of any size."""
    a, b = (F.normalize(maps.flatten(1).double(), eps=0) for maps in (a, b))
    return float((a * b).sum(1).min())


@pytest.mark.parametrize("name", EXPLAINED)
@pytest.mark.filterwarnings("ignore:The default weight initialization of inception_v3:FutureWarning")
def test_it_is_the_network_conserves_relevance_and_is_explained_however_it_is_written(name):
    network, images = made(name, EXPLAINED[name])
    backbone = adapt(network, image_size=images.shape[-1])
    with torch.no_grad():
        expected = network(images)
        scale = float(expected.abs().max())
        torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-5 * scale)
    assert backbone.untrainable is None
    assert Trait.RELEVANCE in backbone.traits, backbone.lacks
    assert abs(backbone.conserved - 1) <= TOLERANCE
    ours = propagate(backbone, Backbone.forward, images, torch.ones_like)
    theirs = propagate(rewritten(network), lambda net, x: net(x), images, torch.ones_like)
    assert cosine(ours, theirs) > 0.999
    explained_by_kmex(backbone, images)


def explained_by_kmex(backbone, images):
    pixels = torch.rand(3 * CLASSES, *images.shape[1:], generator=generator(0, "pixels"))
    split = (pixels * 255).to(torch.uint8), torch.arange(len(pixels)) % CLASSES
    data = make_dataset(
        "zoo", ("a", "b", "c"), train=split, test=split, image_size=images.shape[-1], licence="CC0-1.0", source="noise"
    )
    model = recipe("kmex", {"prototypes_per_class": 2}, "zoo").fit(
        backbone, data.train, generator=generator(0, "k-means")
    )
    with torch.no_grad():
        assert torch.isfinite(model(images).class_scores).all()
    if backbone.attribution == "lrp" and Trait.RELEVANCE in backbone.traits:
        maps = model.attribute(images)
        assert torch.isfinite(maps).all()
        assert maps.flatten(1).abs().amax(1).gt(0).all()


@pytest.mark.parametrize("name", NOT_APPLICABLE)
def test_maps_are_not_applicable_with_the_reason_and_all_else_is(name):
    network, images = made(name, 64)
    backbone = adapt(network, image_size=64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network(images), rtol=1e-4, atol=1e-5)
    reason = backbone.lacks[Trait.RELEVANCE]
    assert NOT_APPLICABLE[name] in reason
    assert 'attribution = "integrated-gradients"' in reason
    explained_by_kmex(backbone, images)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name(name):
    network, _ = made(name, 64)
    with pytest.raises(BackboneUnfit, match=REFUSED[name]):
        adapt(network, image_size=64)


def test_a_name_of_the_zoo_gives_the_network():
    with isolated(0):
        backbone = of_torchvision.named("inception-v3")(CLASSES, image_size=96)
    assert backbone.untrainable is None
    with pytest.raises(SembenchError, match="takes images of another size"):
        of_torchvision.named("inception-v3")(CLASSES, image_size=64)
