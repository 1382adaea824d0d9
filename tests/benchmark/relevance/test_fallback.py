"""Maps by gradients: their sums, naive second implementations, and what they cost."""

import copy
import dataclasses
import warnings

import pytest
import torch
from matplotlib.text import Text
from torch import nn

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.wrapping import wrap
from sembench.cost import PassCounter
from sembench.data.sets.digits import digits
from sembench.errors import ContractBroken, SuiteInvalid
from sembench.evaluation.maps import class_maps, prototype_maps
from sembench.explainers.configuration import recipe
from sembench.metrics.applicability import offer
from sembench.plugins.registry import METRICS
from sembench.relevance import fallback
from sembench.relevance.conservation import examine
from sembench.relevance.fallback import STEPS, TITLES, attribute, declared
from sembench.relevance.propagation import black_box_relevance, headless_relevance, propagate
from sembench.seeding import generator, isolated
from sembench.types import Capability, Prototypes, in_pixels
from sembench.workbench import Workbench

pytest.importorskip("captum")


def noise(*shape):
    return torch.randn(*shape, generator=generator(0, "noise", *shape))


def small(last=None, *, bias=True):
    """Two blocks of convolution and ReLU; the last one may be another."""
    with isolated(0):
        first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2))
        last = last or nn.Sequential(nn.Conv2d(4, 5, 3, padding=1, bias=bias), nn.ReLU())
        return freeze(Backbone([first, last], nn.Linear(5, 3, bias=bias)))


def probabilities(logits):
    return logits.softmax(1)


def test_integrated_gradients_sum_to_what_the_output_changes_from_the_mean_image():
    network, images = small(), noise(4, 3, 8, 8)
    maps = attribute("integrated-gradients", network, Backbone.forward, images, probabilities)
    with torch.no_grad():
        clean, empty = network(images), network(torch.zeros_like(images))
    torch.testing.assert_close(maps.sum((1, 2)), (clean.softmax(1) * (clean - empty)).sum(1), rtol=0.02, atol=2e-3)


def test_integrated_gradients_are_the_mean_gradient_on_the_way_times_the_image():
    network, images = small().double(), noise(2, 3, 8, 8).double()
    with torch.no_grad():
        weights = network(images).softmax(1)
    total = torch.zeros_like(images)
    for step in range(2000):
        at = (images * (step + 0.5) / 2000).requires_grad_()
        total += torch.autograd.grad((weights * network(at)).sum(), at)[0] / 2000
    maps = attribute("integrated-gradients", network, Backbone.forward, images, probabilities)
    naive = (images * total).sum(1)
    assert float((maps - naive).abs().sum() / naive.abs().sum()) < 0.05


def test_input_x_gradient_is_lrp_by_the_plain_rule_where_there_is_no_bias():
    """Without biases a network of ReLUs is linear around the image: contributions are weight times activation."""
    network, image = small(nn.Sequential(nn.Conv2d(4, 5, 3, bias=False), nn.ReLU()), bias=False), noise(1, 3, 8, 8)
    network = network.double()
    image = image.double()
    maps = attribute("input-x-gradient", network, Backbone.forward, image, torch.ones_like)
    values = [image]
    layers = [*network.blocks[0], *network.blocks[1], network.pool, nn.Flatten(), network.classifier]
    for layer in layers:
        values.append(layer(values[-1]).detach())
    relevance = values[-1].clone()
    for layer, value, result in zip(layers[::-1], values[-2::-1], values[:0:-1], strict=True):
        at = value.clone().requires_grad_()
        share = torch.where(result.abs() > 0, relevance / result, 0)
        relevance = at.detach() * torch.autograd.grad(layer(at), at, share)[0]
    torch.testing.assert_close(maps, relevance.sum(1))
    torch.testing.assert_close(maps.sum(), network(image).sum())


def naive_grad_cam(network, images):
    features = network.features(images).detach().requires_grad_()
    logits = network.classifier(network.average(features))
    (gradient,) = torch.autograd.grad((logits.detach().softmax(1) * logits).sum(), features)
    cams = []
    for feature, slope in zip(features.detach(), gradient, strict=True):
        cam = torch.zeros(feature.shape[1:])
        for channel, row in zip(feature, slope, strict=True):
            cam += channel * row.mean()
        cams.append(cam.clamp(min=0))
    return in_pixels(torch.stack(cams), images.shape[2:])


def test_grad_cam_is_the_weighted_sum_of_the_last_maps_without_its_negative_part():
    network, images = small(), noise(4, 3, 8, 8)
    maps = attribute("grad-cam", network, Backbone.forward, images, probabilities)
    torch.testing.assert_close(maps, naive_grad_cam(network, images))
    assert float(maps.min()) == 0
    assert float(maps.max()) > 0


class Stepwise(Backbone):
    """A network whose last block is run part by part, as FLINT does."""

    def features(self, images):
        images = self.blocks[0](images)
        for part in self.blocks[1]:
            images = part(images)
        return images


def test_grad_cam_finds_the_last_map_where_a_block_is_run_part_by_part():
    network, images = small(), noise(2, 3, 8, 8)
    stepwise = freeze(Stepwise(network.blocks, network.classifier))
    found = attribute("grad-cam", stepwise, Backbone.forward, images, probabilities)
    torch.testing.assert_close(found, attribute("grad-cam", network, Backbone.forward, images, probabilities))


def test_grad_cam_of_a_network_without_blocks_takes_the_last_map_of_more_than_one_cell():
    network, images = small(), noise(2, 3, 8, 8)
    plain = nn.Sequential(*network.blocks, network.pool, nn.Flatten(), network.classifier)
    found = attribute("grad-cam", plain, lambda net, x: net(x), images, probabilities)
    torch.testing.assert_close(found, attribute("grad-cam", network, Backbone.forward, images, probabilities))


def test_grad_cam_of_a_network_without_a_last_map_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ContractBroken, match=r"Grad-CAM finds no last feature map in Sequential.*integrated-gradients"):
        attribute("grad-cam", network, lambda net, x: net(x), noise(1, 3, 2, 2), torch.ones_like)


@pytest.mark.parametrize("kind", TITLES)
def test_a_map_belongs_to_its_image_and_is_the_same_every_time(kind):
    network, images = small(), noise(4, 3, 8, 8)
    maps = attribute(kind, network, Backbone.embed, images, torch.ones_like)
    assert maps.shape == (4, 8, 8)
    assert not maps.requires_grad
    assert torch.equal(maps, attribute(kind, network, Backbone.embed, images, torch.ones_like))
    alone = torch.cat([attribute(kind, network, Backbone.embed, image[None], torch.ones_like) for image in images])
    torch.testing.assert_close(alone, maps, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", TITLES)
def test_the_network_is_left_as_it_was(kind):
    network, images = small().requires_grad_(True), noise(2, 3, 8, 8)
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        attribute(kind, network, Backbone.forward, images, probabilities)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize(
    ("kind", "passes"), [("integrated-gradients", STEPS + 1), ("input-x-gradient", 2), ("grad-cam", 2)]
)
def test_every_pass_is_counted(kind, passes):
    network = small()
    with PassCounter(network) as counter:
        attribute(kind, network, Backbone.forward, noise(3, 3, 8, 8), probabilities)
    assert (counter.passes, counter.images) == (passes, 3 * passes)


def test_an_unknown_way_names_those_that_there_are():
    with pytest.raises(
        SuiteInvalid, match=r"attribution is 'magic'; accepted are lrp, integrated-gradients, input-x-gra"
    ):
        attribute("magic", small(), Backbone.forward, noise(1, 3, 8, 8), torch.ones_like)


def test_an_output_without_gradients_and_relevance_of_another_shape_are_refused():
    def detached(network, images):
        return network(images).detach()

    with pytest.raises(ContractBroken, match="Backbone computes its output without gradients"):
        attribute("grad-cam", small(), detached, noise(1, 3, 8, 8), torch.ones_like)
    with pytest.raises(ContractBroken, match=r"relevance \(1, 1\) must have the output's shape \(1, 3\)"):
        attribute("grad-cam", small(), Backbone.forward, noise(1, 3, 8, 8), lambda logits: logits[:, :1])


def test_without_captum_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(fallback.importlib.util, "find_spec", lambda name: None)
    network = small()
    network.attribution = "grad-cam"
    with pytest.raises(SuiteInvalid, match=r"pip install 'sembench\[captum\]'"):
        black_box_relevance(network, noise(1, 3, 8, 8))
    offered = offer(recipe("kmex", {}, "*"), network)
    assert Capability.ATTRIBUTION not in offered.offered
    assert "sembench[captum]" in offered.lacks[Capability.ATTRIBUTION]


@pytest.mark.parametrize("kind", TITLES)
def test_propagation_makes_maps_as_the_network_declares(kind):
    network, images = small(), noise(2, 3, 8, 8)
    by_lrp = headless_relevance(network, images)
    network.attribution = kind
    assert declared(nn.ModuleList([nn.ReLU(), network])) == kind
    found = propagate(network, Backbone.forward, images, probabilities)
    assert torch.equal(found, attribute(kind, network, Backbone.forward, images, probabilities))
    assert not torch.equal(headless_relevance(network, images), by_lrp)


@pytest.mark.parametrize("explainer", ["kmex", "blackbox", "cnn", "protopnet", "flint", "protovae", "b2"])
def test_maps_by_gradients_are_offered_noted_and_never_compared_with_lrp(explainer):
    network = small()
    network.attribution = "integrated-gradients"
    made = recipe(explainer, {"encoder": "backbone"} if explainer == "protovae" else {}, "*")
    offered = offer(made, network)
    assert Capability.ATTRIBUTION in offered.offered
    assert offered.reason_against(METRICS.get("ro_auroc"), explainer, "digits") is None
    assert offered.reason_against(METRICS.get("lrp_kl"), explainer, "digits") == (
        'maps are made by integrated gradients on this network (attribution = "integrated-gradients"), not by '
        "relevance propagation"
    )


def test_networks_that_relevance_does_not_go_through_have_maps_by_gradients(own):
    from sembench.running.black_box import adapt

    with isolated(0):
        network = adapt(own.Unruly(), image_size=32)
    assert Capability.ATTRIBUTION not in offer(recipe("kmex", {}, "*"), network).offered
    network.attribution = "grad-cam"
    assert Capability.ATTRIBUTION in offer(recipe("kmex", {}, "*"), network).offered
    assert bool(torch.isfinite(black_box_relevance(network, noise(2, 3, 32, 32))).all())


SMALL = {
    "kmex": {"prototypes_per_class": 1},
    "blackbox": {},
    "protopnet": {"warm_epochs": 0, "joint_epochs": 1, "last_epochs": 0, "prototypes_per_class": 1},
    "flint": {"epochs": 1, "prototypes_per_class": 1},
    "protovae": {"epochs": 1, "prototypes_per_class": 1, "encoder": "backbone", "latent": 8},
    "kmex(flint)": {"prototypes_per_class": 1, "base": {"epochs": 1, "prototypes_per_class": 1}},
}
OWN_WAY = {"b1": {"prototypes_per_class": 1}, "chance": {"prototypes_per_class": 1}}
"""Explainers whose maps do not come from propagation."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "integrated-gradients")) for kind in TITLES]
)
def test_explainers_are_scored_and_drawn_by_maps_of_a_network_that_propagation_does_not_go_through(own, kind):
    def make():
        network = wrap(own.Unruly(), image_size=32)
        network.attribution = kind
        return network

    with isolated(0):
        network = examine(freeze(built(make)))
    data = digits(image_size=32)
    bench = Workbench(dataclasses.replace(data, train=head(data.train, 60), test=head(data.test, 12)))
    with warnings.catch_warnings(action="ignore"):  # that the network is at chance
        fitted = {name: bench.fit(name, network, **options) for name, options in {**SMALL, **OWN_WAY}.items()}
    for name, explainer in fitted.items():
        scores = explainer.score("lrp_kl", "average_drop", "sparseness", "accuracy")
        assert "not by relevance propagation" in scores["lrp_kl"].reason, name
        for metric in ("average_drop", "sparseness"):
            assert scores[metric].note.startswith(f"maps by {TITLES[kind]}") == (name in SMALL), name
        assert not scores["accuracy"].note
    picture = fitted["kmex"].draw("relevance", count=2)
    written = " ".join(text.get_text() for text in picture.figure.findobj(Text))
    assert f"The black box's maps are made by {TITLES[kind]}." in " ".join(written.split())


def test_how_maps_are_made_is_not_mistaken_for_a_map_that_stands_in():
    """What only one map has, e.g. a second curve, depends on that."""
    network = small()
    network.attribution = "grad-cam"
    made = recipe("kmex", {}, "*")
    model = made.model(network, Prototypes(noise(6, 5), torch.arange(6) % 3), made).eval()
    for maps in (class_maps, prototype_maps):
        found = maps(model, noise(2, 3, 8, 8))
        assert (found.stand_in, found.made) == ("", "maps by Grad-CAM")
        assert found.note.startswith("maps by Grad-CAM")
    network.attribution = "lrp"
    assert class_maps(model, noise(2, 3, 8, 8))[1:] == ("", "")


def head(split, count):
    return dataclasses.replace(split, pixels=split.pixels[:count], labels=split.labels[:count])


class Product(nn.Module):
    """A hand-made block that multiplies two values of the image."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(4, 5, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x):
        return self.one(x) * self.other(x)


def test_a_hand_made_network_without_a_rule_is_told_of_another_way():
    (reason,) = examine(small(Product()), image_size=8).lacks.values()
    assert "its step 'mul' has no rule" in reason
    assert 'attribution = "integrated-gradients"' in reason
