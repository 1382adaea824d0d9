"""Steps that are no layers: each rule against a naive computation, and whole networks against conservation."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.tracing import probe_images
from sembench.backbones.wrapping import wrap
from sembench.relevance.canonisation import canonise
from sembench.relevance.conservation import conserved_share
from sembench.relevance.propagation import black_box_relevance, propagate
from sembench.relevance.recording import record
from sembench.relevance.steps import Depthwise, Sizes, add, in_proportion, pass_on
from sembench.running.black_box import adapt
from sembench.seeding import generator, isolated
from sembench.types import Trait


def noise(*shape):
    return torch.randn(*shape, generator=generator(0, "noise", *shape))


def through(module, *values):
    """Relevance of each value when all ones are put on the module's output."""
    values = [value.clone().requires_grad_() for value in values]
    output = module(*values)
    return torch.autograd.grad(output, values, torch.ones_like(output), allow_unused=True)


def test_a_sum_shares_relevance_in_proportion_to_its_summands():
    a, b = noise(2, 3), noise(2, 3).abs() + 3
    ours = through(add, a, b)
    torch.testing.assert_close(ours[0], a / (a + b))
    torch.testing.assert_close(ours[1], b / (a + b))


def test_a_sum_of_an_image_and_a_vector_keeps_their_shapes():
    a, b = noise(2, 3, 4, 4).abs(), noise(1, 3, 1, 1).abs()
    ours = through(add, a, b)
    assert [r.shape for r in ours] == [a.shape, b.shape]
    torch.testing.assert_close(ours[0].sum() + ours[1].sum(), torch.tensor(96.0), rtol=1e-4, atol=0)


def test_a_function_of_each_element_passes_relevance_on():
    x = noise(2, 1, 4, 4)
    assert torch.equal(through(lambda v: pass_on(lambda value: value.tanh() + torch.ones(3, 1, 1), v), x)[0],
                       torch.full_like(x, 3))  # fmt: skip


def test_a_linear_function_shares_relevance_in_proportion_to_contributions():
    x, weight = noise(2, 4).abs(), noise(3, 4).abs()
    (ours,) = through(lambda v: in_proportion(lambda value: value @ weight.T, v), x)
    expected = sum(x * row / (x @ row)[:, None] for row in weight)
    torch.testing.assert_close(ours, expected)


def test_a_depthwise_convolution_shares_by_the_sizes_of_contributions():
    with isolated(0):
        conv = nn.Conv2d(2, 2, 3, padding=1, groups=2)
    conv.__class__ = Depthwise
    x = noise(1, 2, 5, 5)
    handles = Sizes().register(conv)
    (ours,) = through(conv, x)
    handles.remove()
    expected = torch.zeros(2, 7, 7)
    padded = torch.zeros(2, 7, 7)
    padded[:, 1:-1, 1:-1] = x[0].abs()
    padded[:, [0, -1]] = padded[:, :, [0, -1]] = 0
    for channel in range(2):
        for i in range(5):
            for j in range(5):
                parts = padded[channel, i : i + 3, j : j + 3] * conv.weight.detach()[channel, 0].abs()
                expected[channel, i : i + 3, j : j + 3] += parts / parts.sum()
    torch.testing.assert_close(ours[0], expected[:, 1:-1, 1:-1])
    torch.testing.assert_close(ours.sum(), torch.tensor(50.0))


@pytest.mark.parametrize("form", ["mobile", "mixed", "perceptron", "grouped"])
def test_canonising_does_not_change_what_a_network_computes(own, form):
    with isolated(0):
        backbone = freeze(wrap(own.FORMS[form](), image_size=32))
    for part in backbone.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    images = noise(3, 3, 32, 32)
    canonical = canonise(record(backbone, images), "share")
    torch.testing.assert_close(canonical(images), backbone(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("form", "share"), [("mobile", 0.2), ("mixed", 0.01), ("perceptron", 1e-3), ("grouped", 1e-3)])
def test_relevance_is_conserved_in_networks_of_many_kinds(own, form, share):
    """Where a network pads outside of its convolutions, what falls onto the padding is lost."""
    with isolated(0):
        backbone = adapt(own.FORMS[form](), image_size=32)
    assert Trait.RELEVANCE in backbone.traits
    assert backbone.conserved == pytest.approx(1, abs=share)


def test_a_network_with_a_step_without_a_rule_says_so(own):
    with isolated(0):
        backbone = adapt(own.Unruly(), image_size=32)
    assert backbone.lacks[Trait.RELEVANCE].startswith("relevance propagation is not defined on it: ")


def test_a_wrapped_resnet_shows_the_maps_of_the_backbone_that_zennit_knows(basic_resnet):
    network, native = basic_resnet
    wrapped = freeze(wrap(network, image_size=64))
    images = noise(2, 3, 64, 64)
    for bias in ("share", "zero"):
        ours, theirs = (black_box_relevance(b, images, bias=bias) for b in (wrapped, native))
        assert float((ours - theirs).abs().sum() / theirs.abs().sum()) < 1e-3


@pytest.fixture
def basic_resnet():
    """A ResNet of torchvision with statistics of noise, and the same weights as a backbone of ours."""
    with isolated(0):
        network = torchvision.models.resnet18(num_classes=5)
        with torch.no_grad():
            for _ in range(10):
                network(noise(4, 3, 64, 64))
    network.eval()
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool, *network.layer1)
    return network, freeze(Backbone([stem, network.layer2, network.layer3, network.layer4], network.fc))


def test_no_hook_stays_and_the_network_stays_as_it_was(own):
    with isolated(0):
        backbone = adapt(own.Mixed(), image_size=32)
    before = copy.deepcopy(backbone.state_dict())
    types = [type(part) for part in backbone.modules()]
    first = black_box_relevance(backbone, noise(2, 3, 32, 32))
    assert torch.equal(black_box_relevance(backbone, noise(2, 3, 32, 32)), first)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert [type(part) for part in backbone.modules()] == types
    assert not any(p._forward_hooks or p._forward_pre_hooks or p._backward_hooks for p in backbone.modules())


def test_relevance_belongs_to_the_image_not_to_the_batch(own):
    with isolated(0):
        backbone = adapt(own.Mixed(), image_size=32)
    images = noise(3, 3, 32, 32)
    together = propagate(backbone, Backbone.embed, images, torch.ones_like)
    alone = torch.cat([propagate(backbone, Backbone.embed, image[None], torch.ones_like) for image in images])
    torch.testing.assert_close(alone, together, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["densenet121", "efficientnet_b0", "googlenet", "mobilenet_v2", "vgg11_bn", "shufflenet_v2_x0_5"],
)
def test_relevance_is_conserved_in_torchvision_s_architectures(name):
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with isolated(0):
        backbone = adapt(torchvision.models.get_model(name, num_classes=10, **options), image_size=64)
    assert backbone.conserved == pytest.approx(1, abs=0.02)
    assert bool(torch.isfinite(conserved_share(backbone, probe_images(1, 64))).all())
