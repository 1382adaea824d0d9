"""Traits of hand-made and wrapped networks, decided by measurement, before and after training."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.protovae_cnn import protovae_cnn
from sembench.backbones.resnet import resnet10_narrow
from sembench.backbones.wrapping import wrap
from sembench.errors import BackboneUnfit
from sembench.relevance.conservation import TOLERANCE, conserved_share, examine
from sembench.relevance.propagation import propagate
from sembench.running.black_box import adapt
from sembench.seeding import generator, isolated
from sembench.types import Trait


def noise(*shape):
    return torch.randn(*shape, generator=generator(0, "noise", *shape))


class Residual(nn.Module):
    """A residual block as users write it."""

    def __init__(self, channels):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))


class Cosine(nn.Linear):
    def forward(self, x):
        return 10 * F.linear(F.normalize(x, dim=1), F.normalize(self.weight, dim=1))


class Waves(nn.Module):
    def forward(self, x):
        return x.sin()


def hand_made(*parts, classifier=None, pool=None):
    with isolated(0):
        head = classifier(8, 5) if classifier else nn.Linear(8, 5)
        return freeze(Backbone([nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(*parts)], head, pool=pool))


HAND_MADE = {
    "plain": (lambda: hand_made(nn.ReLU()), set()),
    "own residual block": (lambda: hand_made(Residual(8), Residual(8)), set()),
    "group norm": (lambda: hand_made(nn.GroupNorm(2, 8), nn.ReLU()), set()),
    "waves": (lambda: hand_made(Waves()), {Trait.RELEVANCE}),
    "cosine logits": (lambda: hand_made(nn.ReLU(), classifier=Cosine), {Trait.LINEAR_HEAD}),
    "largest cell": (lambda: hand_made(nn.ReLU(), pool=nn.AdaptiveMaxPool2d(1)), {Trait.LINEAR_HEAD}),
    "batch norm in the head": (
        lambda: hand_made(
            nn.ReLU(), pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(8))
        ),
        {Trait.LINEAR_HEAD},
    ),
    "synchronised batch norm": (lambda: hand_made(nn.SyncBatchNorm(8), nn.ReLU()), set()),
    "batch norm without statistics": (
        lambda: hand_made(nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU()), None
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_networks_have_the_traits_that_they_show(name):
    make, lacks = HAND_MADE[name]
    backbone = examine(make(), image_size=16)
    if lacks is not None:
        assert set(backbone.lacks) == lacks
    if Trait.RELEVANCE in backbone.traits:
        measured = copy.deepcopy(backbone)
        share = direct_share(measured, noise(4, 3, 16, 16))
        assert share == pytest.approx([1] * 4, abs=TOLERANCE)


def direct_share(backbone, images):
    """What arrives of a relevance of 1 on the largest logit, image by image; needs a network without constants."""

    def one(logits):
        return F.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)

    if any(isinstance(part, nn.GroupNorm) for part in backbone.modules()) or any(
        isinstance(part, nn.BatchNorm2d) and part.running_mean is None for part in backbone.modules()
    ):
        return conserved_share(backbone, images).tolist()
    return [float(propagate(backbone, Backbone.forward, image[None], one, bias="zero").sum()) for image in images]


def test_the_reason_names_the_step_and_another_way():
    backbone = examine(HAND_MADE["waves"][0](), image_size=16)
    assert backbone.lacks[Trait.RELEVANCE] == (
        "relevance propagation is not defined on it: its step 'sin' has no rule of relevance; attribution = "
        '"integrated-gradients" makes maps by gradients instead'
    )


def test_the_reason_says_how_a_head_departs():
    cosine = examine(HAND_MADE["cosine logits"][0](), noise(4, 3, 16, 16))
    assert cosine.lacks[Trait.LINEAR_HEAD].startswith("its logits are not those of a linear layer on the embedding")
    largest = examine(HAND_MADE["largest cell"][0](), noise(4, 3, 16, 16))
    assert largest.lacks[Trait.LINEAR_HEAD].endswith("linear layer stand AdaptiveMaxPool2d")
    flat = examine(protovae_cnn(5, image_size=16), image_size=16)
    assert flat.lacks[Trait.LINEAR_HEAD].endswith("two linear layers stand on the flattened map")


def test_a_declared_way_is_the_reason_against_propagation():
    backbone = hand_made(nn.ReLU())
    backbone.attribution = "grad-cam"
    assert "maps are made by Grad-CAM" in examine(backbone, image_size=16).lacks[Trait.RELEVANCE]
    backbone.attribution = "lrp"
    assert not examine(backbone, image_size=16).lacks


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_second_look_sees_the_same_and_nothing_moves(name):
    backbone = HAND_MADE[name][0]().train()
    backbone.blocks[0].eval()
    before, modes = copy.deepcopy(backbone.state_dict()), [part.training for part in backbone.modules()]
    first = dict(examine(backbone, image_size=16).lacks)
    assert dict(examine(backbone, image_size=16).lacks) == first
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert [part.training for part in backbone.modules()] == modes
    assert not any(part._forward_pre_hooks or part._forward_hooks for part in backbone.modules())


def test_reasons_of_an_earlier_look_are_replaced():
    backbone = hand_made(nn.ReLU())
    backbone.lacks = dict.fromkeys(Trait, "an old reason")
    assert not examine(backbone, noise(4, 3, 16, 16)).lacks


def test_what_training_changes_is_seen_on_images_and_foreseen_on_noise():
    backbone = HAND_MADE["batch norm in the head"][0]()
    images = noise(8, 3, 16, 16)
    assert Trait.LINEAR_HEAD in examine(backbone, image_size=16).lacks  # statistics that training would give it
    assert Trait.LINEAR_HEAD not in examine(backbone, images).lacks  # untrained, batch norm does nothing
    backbone.train()
    with torch.no_grad():
        for _ in range(10):
            backbone(images)
    backbone.eval()
    assert Trait.LINEAR_HEAD in examine(backbone, images).lacks


def test_an_image_without_an_embedding_does_not_speak_for_the_network():
    backbone = hand_made(nn.ReLU())
    with torch.no_grad():
        backbone.blocks[0].bias.fill_(-1)
    images = noise(4, 3, 16, 16)
    images[1] = 0
    assert not backbone.embed(images)[1].any()
    assert Trait.RELEVANCE in examine(backbone, images).traits


def test_parts_that_do_not_fit_are_refused_by_their_shapes():
    with isolated(0):
        wrong = Backbone([nn.Conv2d(3, 8, 3)], nn.Linear(7, 5))
    with pytest.raises(BackboneUnfit, match=r"yields \(4, 8, 14, 14\) and the pool \(4, 8\).*embedding \(B, 7\)"):
        examine(wrong, image_size=16)
    with pytest.raises(ValueError, match="give some, or their size as image_size"):
        examine(wrong)


def test_a_wrapped_network_is_examined_at_the_size_that_it_was_wrapped_for(own):
    with isolated(0):
        backbone = adapt(own.Perceptron(), image_size=32)
    reason = backbone.lacks[Trait.LINEAR_HEAD]
    assert examine(backbone).lacks[Trait.LINEAR_HEAD] == reason
    assert examine(backbone, noise(4, 3, 32, 32)).lacks[Trait.LINEAR_HEAD] == reason


def test_a_network_of_the_registry_has_both_traits_before_and_after_statistics_move():
    with isolated(0):
        backbone = resnet10_narrow(5)
    assert not examine(backbone, image_size=33).lacks
    with torch.no_grad():
        backbone(noise(16, 3, 33, 33))
    assert not examine(freeze(backbone), noise(4, 3, 33, 33)).lacks


PARTS = {
    "relu": nn.ReLU, "gelu": nn.GELU, "waves": Waves, "norm": lambda: nn.BatchNorm2d(8),
    "conv": lambda: nn.Conv2d(8, 8, 3, padding=1), "pool": lambda: nn.MaxPool2d(2, 1), "cube": lambda: Power(3),
    "residual": lambda: Residual(8),
}  # fmt: skip


class Power(nn.Module):
    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def forward(self, x):
        return x**self.exponent


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_the_decision_is_that_of_a_direct_measurement(names, seed):
    from sembench.errors import RelevanceUndefined

    with isolated(seed):
        backbone = freeze(
            Backbone([nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(*(PARTS[n]() for n in names))], nn.Linear(8, 5))
        )
        images = torch.randn(4, 3, 12, 12)
    decided = Trait.RELEVANCE in examine(backbone, images).traits
    try:
        share = direct_share(backbone, images)
    except RelevanceUndefined:
        assert not decided
    else:
        assert decided == all(abs(part - 1) <= TOLERANCE for part in share)
    assert Trait.LINEAR_HEAD in backbone.traits


def test_a_linear_layer_of_zeros_is_drawn_on_noise_and_named_on_images():
    backbone = hand_made(nn.ReLU())
    nn.init.zeros_(backbone.classifier.weight)
    assert not examine(backbone, image_size=16).lacks
    assert not backbone.classifier.weight.any()
    reason = examine(backbone, noise(4, 3, 16, 16)).lacks[Trait.RELEVANCE]
    assert reason == "its linear layer holds zeros alone, so that its logits say nothing of an image; train it"


@pytest.mark.parametrize("seed", range(3))
def test_a_deep_network_with_maps_of_one_cell_does_not_magnify_rounding_errors(seed):
    with isolated(seed):
        backbone = wrap(torchvision.models.resnet50(num_classes=5).eval(), image_size=32)
    assert backbone.facts[-1].shape[1:] == (1, 1)
    assert Trait.RELEVANCE in examine(backbone).traits
