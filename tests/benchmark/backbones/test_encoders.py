"""Transformers and other encoders: their maps, embeddings and heads."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.maxvit import MaxVit
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from sembench.backbones.backbone import freeze
from sembench.backbones.timm import named
from sembench.backbones.views import View
from sembench.backbones.wrapping import wrap
from sembench.data.dataset import make_dataset
from sembench.errors import BackboneUnfit, NotOffered, SuiteInvalid, UnknownName
from sembench.explainers.configuration import recipe
from sembench.plugins.registry import BACKBONES
from sembench.relevance.conservation import examine
from sembench.types import Trait

SIZE = 32
IMAGES = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


def vit():
    torch.manual_seed(0)
    network = VisionTransformer(SIZE, 8, 5, 2, 32, 64, num_classes=5).eval()
    nn.init.normal_(network.heads.head.weight)
    return network


def swin():
    torch.manual_seed(0)
    return SwinTransformer([2, 2], 16, [2, 2], [2, 4], [4, 4], num_classes=5).eval()


def timm_vit(**options):
    timm = pytest.importorskip("timm.models.vision_transformer")
    torch.manual_seed(0)
    options = {"embed_dim": 32, "depth": 5, "num_heads": 2, "num_classes": 5, "patch_size": 8, **options}
    return timm.VisionTransformer(SIZE, **options).eval()


NETWORKS = {
    "vit": (vit, (4, 4)),
    "swin": (swin, (8, 8)),
    "timm class token": (timm_vit, (4, 4)),
    "timm no class token": (lambda: timm_vit(class_token=False, global_pool="avg"), (4, 4)),
    "timm registers": (lambda: timm_vit(reg_tokens=4, no_embed_class=True), (4, 4)),
    "timm oblong patches": (lambda: timm_vit(patch_size=(8, 4)), (4, 8)),
}


def timm_swin():
    timm = pytest.importorskip("timm.models.swin_transformer")
    torch.manual_seed(0)
    return timm.SwinTransformer(
        32, 2, num_classes=5, embed_dim=12, depths=(2, 2), num_heads=(2, 2), window_size=4
    ).eval()


def maxvit():
    torch.manual_seed(0)
    return MaxVit((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0, num_classes=5).eval()


NETWORKS["timm swin"] = timm_swin, (8, 8)


def test_windows_of_a_maxvit_are_not_taken_for_maps():
    network = maxvit()
    images = torch.randn(2, 3, 64, 64)
    backbone = wrap(network, image_size=64)
    torch.testing.assert_close(backbone(images), network(images), atol=1e-4, rtol=1e-4)
    assert [facts.shape[1:] for facts in backbone.facts][-1] == (8, 8)
    assert backbone.facts[-1].shape[0] == 32


@pytest.mark.parametrize("name", NETWORKS)
def test_a_wrapped_encoder_is_the_encoder_and_has_maps(name):
    make, grid = NETWORKS[name]
    network = make()
    backbone = wrap(network, image_size=SIZE)
    with torch.no_grad():
        torch.testing.assert_close(backbone(IMAGES), network(IMAGES), atol=1e-4, rtol=1e-4)
        maps, embedding = backbone.maps_and_embedding(IMAGES)
        torch.testing.assert_close(backbone.embed(IMAGES), embedding)
        torch.testing.assert_close(backbone.features(IMAGES), maps[-1])
    assert maps[-1].shape[2:] == grid
    assert [tuple(part.shape[1:]) for part in maps] == [facts.shape for facts in backbone.facts]


def test_five_layers_are_four_depths():
    assert len(wrap(timm_vit(), image_size=SIZE).blocks) == 4


class PatchOnly(nn.Module):
    """Tokens that depend on their own patch alone: its mean; other tokens around them, as asked for."""

    def __init__(self, before, after):
        super().__init__()
        self.embed = nn.Conv2d(3, 4, (8, 4), (8, 4))
        self.before = nn.Parameter(torch.randn(1, before, 4))
        self.after = nn.Parameter(torch.randn(1, after, 4))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.before.expand(x.shape[0], -1, -1), x, self.after.expand(x.shape[0], -1, -1)], dim=1)
        return self.head(self.norm(x).mean(1))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (5, 0), (0, 1), (2, 3)])
def test_a_token_appears_at_the_cell_of_its_own_patch(before, after):
    backbone = wrap(PatchOnly(before, after), image_size=SIZE)
    changed = IMAGES.clone()
    changed[:, :, 8:16, 20:24] += 1  # the patch of row 1, column 5 of 4 x 8
    with torch.no_grad():
        moved = (backbone.features(changed) - backbone.features(IMAGES)).abs().sum((0, 1)) > 1e-6
    expected = torch.zeros(4, 8, dtype=torch.bool)
    expected[1, 5] = True
    assert torch.equal(moved, expected)


def shuffled(x):
    b, c, h, w = x.shape
    return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


def normalised_by_group(x):
    groups = x.view(x.shape[0], 2, -1)
    return ((groups - groups.mean(2, keepdim=True)) / (groups.std(2, keepdim=True) + 1e-3)).view(x.shape)


def by_tokens(x):
    return F.normalize(x.flatten(2).transpose(1, 2), dim=2).transpose(1, 2).reshape(x.shape)


STEPS = {
    "as it is": lambda x: x + 0,
    "split and joined": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "shuffled": shuffled,
    "normalised by group": normalised_by_group,
    "by tokens": by_tokens,
    "turned and back": lambda x: F.normalize(x.permute(0, 2, 3, 1), dim=3).permute(0, 3, 1, 2),
    "the larger of two": lambda x: torch.stack([x, 0.5 * x]).amax(0),
    "cells mirrored": lambda x: x.flip(3),
    "channels mixed": lambda x: torch.einsum("bchw,cd->bdhw", x, torch.eye(x.shape[1])),
}


class Stepwise(nn.Module):
    """One convolution, a step of one's own, the average of what it yields, or of its cells in a row."""

    def __init__(self, channels, strides, step, flat):
        super().__init__()
        self.conv, self.step, self.flat = nn.Conv2d(3, channels, 3, strides, 1), step, flat
        self.fc = nn.Linear(channels, 3)

    def own(self, x):
        return self.step(F.relu(self.conv(x)))

    def forward(self, x):
        x = self.own(x)
        return self.fc(x.flatten(2).mean(2) if self.flat else x.mean((2, 3)))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("channels", "strides"), [(4, 2), (8, 1), (8, (1, 2)), (8, (2, 1)), (4, (1, 2)), (6, 1), (16, 2), (64, 1)]
)
def test_a_map_stands_where_it_stood_though_channels_and_cells_are_as_many(channels, strides, name, flat):
    torch.manual_seed(0)
    network = Stepwise(channels, strides, STEPS[name], flat).eval()
    images = IMAGES[:, :, :8, :8]
    backbone = wrap(network, image_size=8)
    torch.testing.assert_close(backbone.features(images), network.own(images), rtol=1e-3, atol=1e-4)
    assert Trait.LINEAR_HEAD in backbone.traits


def test_the_embedding_of_a_class_token_is_no_function_of_the_map():
    backbone = wrap(vit(), image_size=SIZE)
    assert "it takes the token of the class; embedding = 'avg'" in backbone.lacks[Trait.LINEAR_HEAD]
    with pytest.raises(NotOffered, match="no function of the last feature map"):
        backbone.average(backbone.features(IMAGES))


def test_the_average_as_embedding_needs_a_new_linear_layer():
    backbone = wrap(vit(), image_size=SIZE, embedding="avg", n_classes=5)
    features = backbone.features(IMAGES)
    torch.testing.assert_close(backbone.embed(IMAGES), features.mean((2, 3)))
    torch.testing.assert_close(backbone.average(features), features.mean((2, 3)))
    assert (backbone.outputs, Trait.LINEAR_HEAD in backbone.traits) == (0, True)


def test_the_class_token_as_embedding_keeps_the_layer_where_it_is_the_networks_own():
    network = vit()
    torch.testing.assert_close(wrap(network, image_size=SIZE, embedding="cls")(IMAGES), network(IMAGES))
    with pytest.raises(BackboneUnfit, match="no"):
        wrap(swin(), image_size=SIZE, embedding="cls", n_classes=5)


def test_an_encoder_without_classifier_gets_a_linear_layer():
    network = timm_vit(num_classes=0, reg_tokens=4)
    with pytest.raises(BackboneUnfit, match="embedding = 'avg' or 'cls'"):
        wrap(network, image_size=SIZE)
    with pytest.raises(BackboneUnfit, match="number of classes is not known"):
        wrap(network, image_size=SIZE, embedding="cls")
    backbone = wrap(network, image_size=SIZE, n_classes=3, embedding="cls")
    torch.testing.assert_close(backbone.embed(IMAGES), network(IMAGES))
    assert (backbone.outputs, backbone(IMAGES).shape) == (0, (2, 3))


class ByValue(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.conv(x if x.sum() > 0 else -x).mean((2, 3))


def test_an_encoder_may_end_in_a_module_that_stays_whole():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), ByValue())
    backbone = wrap(network, image_size=8, n_classes=3, embedding="avg")
    assert set(backbone.opaque) == {"2"}
    assert backbone.features(IMAGES[:, :, :8, :8]).shape == (2, 4, 6, 6)


class Cosine(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(nn.functional.normalize(x), nn.functional.normalize(self.weight))


class Small(nn.Module):
    def __init__(self, head, norm=None):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)
        self.norm, self.head = norm or nn.Identity(), head

    def forward(self, x):
        return self.head(self.norm(self.pool(self.conv(x)).flatten(1)))


def test_a_linear_layer_that_is_none_is_named():
    with pytest.raises(BackboneUnfit, match="Cosine, is no linear layer"):
        wrap(Small(Cosine(4, 3)), image_size=SIZE)
    assert Trait.LINEAR_HEAD in wrap(Small(nn.Linear(4, 3)), image_size=SIZE).traits


def test_a_head_is_examined_again_after_training():
    backbone = wrap(Small(nn.Linear(4, 3), nn.BatchNorm1d(4)).eval(), image_size=SIZE)
    assert Trait.LINEAR_HEAD in backbone.traits
    norm = next(part for part in backbone.modules() if isinstance(part, nn.BatchNorm1d))
    norm.running_mean.fill_(1.0)
    examine(backbone, IMAGES)
    assert "BatchNorm1d" in backbone.lacks[Trait.LINEAR_HEAD]


@pytest.mark.parametrize("view", [View(), View("channels last", 2, 3), View("tokens", 2, 3, 2, 1)])
def test_a_view_has_a_way_back(view):
    features = torch.randn(1, 4, 2, 3)
    torch.testing.assert_close(view.map(view.output(features)), features)


@pytest.mark.parametrize("name", ["kmex", "b4", "b234"])
@pytest.mark.parametrize("embedding", ["network", "avg"])
def test_explainers_are_fitted_on_a_transformer(name, embedding):
    images = torch.rand(12, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 3
    pixels = ((images * 255).to(torch.uint8), labels)
    data = make_dataset(
        "tiny", ("a", "b", "c"), train=pixels, test=pixels, image_size=SIZE, licence="CC0-1.0", source="noise"
    )
    torch.manual_seed(0)
    backbone = freeze(wrap(timm_vit(reg_tokens=4), image_size=SIZE, n_classes=3, embedding=embedding))
    explainer = recipe(name, {"prototypes_per_class": 2}, "tiny")
    model = explainer.fit(backbone, data.train, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = model(images).class_scores
    assert scores.shape == (12, 3)
    assert torch.isfinite(scores).all()


def test_a_network_of_timm_has_a_name():
    pytest.importorskip("timm")
    torch.manual_seed(0)
    factory = BACKBONES.get("timm.vit_tiny_patch16_224")
    backbone = factory(3, image_size=32, embedding="avg")
    assert backbone.features(IMAGES).shape == (2, 192, 2, 2)
    assert backbone(IMAGES).shape == (2, 3)
    with pytest.raises(UnknownName):
        BACKBONES.get("timm.no_such_network")


def test_timm_that_is_missing_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SuiteInvalid, match=r"sembench\[timm\]"):
        named("timm.vit_tiny_patch16_224")


def test_a_size_that_a_network_of_torchvision_cannot_be_made_for_is_named():
    with pytest.raises(BackboneUnfit, match="cannot be made for images of 64 pixels: ValueError: Input size"):
        BACKBONES.get("maxvit-t")(3, image_size=64)
