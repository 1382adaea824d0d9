"""Any classifier as a backbone: the same answer from its parts, the module untouched, reasons where it does not fit."""

import copy

import pytest
import torch
from torch import nn

from sembench.backbones.resnet import resnet18
from sembench.backbones.wrapping import Rescale, wrap
from sembench.data.normalisation import Normalisation
from sembench.errors import BackboneUnfit
from sembench.seeding import generator, isolated
from sembench.types import Trait


def images(size=32, count=3):
    return torch.randn(count, 3, size, size, generator=generator(1, "images"))


def made(cls, *args):
    with isolated(0):
        return cls(*args).eval()


@pytest.mark.parametrize("form", ["mobile", "mixed", "perceptron", "unruly"])
def test_the_parts_give_the_logits_of_the_whole_on_any_images(own, form):
    network = made(own.FORMS[form])
    backbone = wrap(network, image_size=32)
    for size, count in ((32, 1), (32, 5)):
        torch.testing.assert_close(backbone(images(size, count)), network(images(size, count)), rtol=1e-5, atol=1e-6)
    maps = backbone.feature_maps(images())
    assert [tuple(m.shape[1:]) for m in maps] == [facts.shape for facts in backbone.facts]
    assert torch.equal(maps[-1], backbone.features(images()))
    assert backbone.channels == maps[-1].shape[1]
    assert backbone.embed(images()).shape == (3, backbone.dimension)


def test_shapes_may_change_where_the_network_s_own_code_looks_at_them(own):
    network = made(own.Mobile)
    backbone = wrap(network, image_size=32)
    assert set(backbone.opaque) == {"trunk.0", "trunk.2.body.2", "trunk.4.body.2"}
    torch.testing.assert_close(backbone(images(33)), network(images(33)))


def test_the_module_stays_as_it_was(own):
    network = made(own.Mixed).train()
    before = copy.deepcopy(network.state_dict())
    attributes = {name: sorted(vars(part)) for name, part in network.named_modules()}
    backbone = wrap(network, image_size=32)
    backbone.train()
    backbone(images()).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {name: sorted(vars(part)) for name, part in network.named_modules()} == attributes
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    assert network.training


def test_a_linear_head_means_that_the_embedding_is_the_average_of_the_last_map(own):
    for form in (own.Mobile, own.Mixed):
        backbone = wrap(made(form), image_size=32)
        torch.testing.assert_close(backbone.embed(images()), backbone.features(images()).mean((2, 3)))
        assert Trait.LINEAR_HEAD in backbone.traits


def test_a_head_of_several_layers_is_said_to_be_one(own):
    backbone = wrap(made(own.Perceptron), image_size=32)
    assert backbone.lacks[Trait.LINEAR_HEAD].endswith(
        "8 channels become an embedding of 20 through AdaptiveAvgPool2d, flatten, Linear, ReLU, Dropout"
    )
    assert (backbone.channels, backbone.dimension) == (8, 20)


def test_blocks_are_the_stretches_of_one_resolution_that_hold_weights(own):
    facts = wrap(made(own.Mobile), image_size=32).facts
    assert [(f.name, f.shape) for f in facts] == [
        ("trunk.1", (8, 16, 16)), ("trunk.3", (12, 8, 8)), ("trunk", (24, 4, 4)),
    ]  # fmt: skip


def test_the_blocks_of_a_resnet_are_its_stages_and_hold_the_same_numbers():
    with isolated(0):
        ours = resnet18(7).eval()
    with isolated(0):
        import torchvision

        theirs = torchvision.models.resnet18(num_classes=7).eval()
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    names = {"0.0.": "conv1.", "0.1.": "bn1.", "0.4.": "layer1.0.", "0.5.": "layer1.1."}
    own = ours.blocks.state_dict()
    for name in own:
        prefix = next((p for p in names if name.startswith(p)), None)
        source = names[prefix] + name.removeprefix(prefix) if prefix else f"layer{int(name[0]) + 1}.{name[2:]}"
        own[name].copy_(state[source])
    wrapped = wrap(theirs, image_size=64)
    assert [f.name for f in wrapped.facts] == ["layer1", "layer2", "layer3", "layer4"]
    for a, b in zip(wrapped.feature_maps(images(64)), ours.feature_maps(images(64)), strict=True):
        torch.testing.assert_close(a, b)


def test_named_blocks_end_where_they_are_named_and_the_last_runs_on_to_the_last_map(own):
    backbone = wrap(made(own.Mobile), image_size=32, blocks=["trunk.0", "trunk.2.body.1", "trunk.5"])
    assert [f.name for f in backbone.facts] == ["trunk.0", "trunk.2.body.1", "trunk"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["trunk.99"], "block 'trunk.99' is no step of the network .near matches"),
        (["trunk.0.conv"], "it lies inside 'trunk.0', which stays whole"),
        (["trunk.1.body.0"], "cannot end a block"),
        (["trunk.3", "trunk.1"], "shallow to deep"),
        (["classifier"], "cannot end a block"),
    ],
)
def test_a_wrong_block_says_what_is_wrong_with_it(own, names, reason):
    with pytest.raises(BackboneUnfit, match=reason):
        wrap(made(own.Mobile), image_size=32, blocks=names)


@pytest.mark.parametrize(
    ("tensor", "value"), [("trunk.5.weight", "nan"), ("classifier.weight", "nan"), ("classifier.bias", "inf")]
)
def test_weights_that_are_no_numbers_are_named(own, tensor, value):
    network = made(own.Mobile)
    network.state_dict()[tensor].view(-1)[0] = float(value)
    with pytest.raises(BackboneUnfit, match=f"the weights hold NaN or infinity, in 1 of .* first is '{tensor}'"):
        wrap(network, image_size=32)


def test_logits_that_are_no_numbers_are_told_from_such_weights(own):
    class Overflowing(own.Mobile):
        def forward(self, x):
            return super().forward(x) / 0

    with pytest.raises(BackboneUnfit, match=r"the logits hold NaN or infinity on images of .*every weight is finite"):
        wrap(made(Overflowing), image_size=32)


def test_a_buffer_may_hold_infinity_where_the_answer_does_not(own):
    network = made(own.Mobile)
    network.register_buffer("mask", torch.tensor([float("-inf")]))
    torch.testing.assert_close(wrap(network, image_size=32)(images()), network(images()))


class Sequence(nn.Module):
    """A network of given layers behind one convolution."""

    def __init__(self, *layers):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(self.conv(x))


class Branching(Sequence):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(-x)


class Noisy(Sequence):
    def forward(self, x):
        return super().forward(x) + 0


class Two(Sequence):
    def forward(self, x):
        y = super().forward(x)
        return y, y


POOLED = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Sequence(*POOLED, nn.Softmax(1)), "the last step is Softmax, not a linear layer"),
        (Noisy(*POOLED), "the last step is add, not a linear layer"),
        (Branching(*POOLED), "cannot be followed: it branches on values.*branches or loops on values or sizes"),
        (Two(*POOLED), "answers to images with tuple; logits .B, C. are needed"),
        (Sequence(nn.Conv2d(4, 2, 30), nn.Flatten()), "does not take images|the last step is Flatten"),
        (Sequence(nn.Conv2d(4, 2, 64)), "Sequence does not take images of .3, 32, 32."),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 5)), "no feature map .B, D, h, w. before the last linear layer"),
    ],
)
def test_a_network_of_another_form_is_refused_with_the_reason(network, reason):
    with pytest.raises(BackboneUnfit, match=reason):
        wrap(network, image_size=32)


def test_another_number_of_classes_brings_a_new_linear_layer(own):
    network = made(own.Mobile)
    same, other = wrap(network, image_size=32, n_classes=10), wrap(network, image_size=32, n_classes=4)
    assert torch.equal(same.classifier.weight, network.classifier.weight)
    assert (other.n_classes, other.outputs, other(images()).shape) == (4, 10, (3, 4))
    assert network.classifier.out_features == 10


def test_dropout_and_batch_norm_keep_their_modes(own):
    backbone = wrap(made(own.Mixed), image_size=32)
    with isolated(0):
        first, second = backbone.train()(images()), backbone(images())
    assert not torch.allclose(first, second)
    assert torch.equal(backbone.eval()(images()), backbone(images()))


def test_no_block_changes_what_the_one_before_gave(own):
    backbone = wrap(made(own.Perceptron), image_size=32, blocks=["features.0", "features.3", "features.5"])
    maps = backbone.feature_maps(images())
    assert bool((maps[0] < 0).any())  # the ReLU that follows would have overwritten it
    assert torch.equal(maps[0], backbone.blocks[0](images()))


def test_images_are_rescaled_from_one_normalisation_to_the_other():
    given, wanted = Normalisation((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), Normalisation((0.5,) * 3, (0.5,) * 3)
    pixels = torch.rand(2, 3, 4, 4, generator=generator(0, "pixels"))
    torch.testing.assert_close(Rescale(given, wanted)(given(pixels)), 2 * pixels - 1, rtol=0, atol=1e-6)
    assert Rescale(given, wanted).state_dict() == {}
