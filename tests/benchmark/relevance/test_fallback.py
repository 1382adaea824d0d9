"""Maps by gradients: known answers, completeness, and what declares them."""

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.errors import SuiteInvalid
from sembench.explainers.configuration import recipe
from sembench.metrics.applicability import offer
from sembench.metrics.lrp_kl import LRP_KL
from sembench.metrics.ro_auroc import RO_AUROC
from sembench.relevance.conservation import examine
from sembench.relevance.fallback import TITLES, attribute, by_gradients
from sembench.relevance.propagation import propagate
from sembench.seeding import generator, isolated

pytest.importorskip("captum")


def noise(*shape):
    return torch.randn(*shape, generator=generator(0, "noise", *shape))


@pytest.fixture
def backbone():
    with isolated(0):
        stages = [nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 6, 3), nn.Tanh())]
        return freeze(Backbone(stages, nn.Linear(6, 3)))


def first(logits):
    return torch.zeros_like(logits).index_fill_(1, torch.tensor([0]), 1.0)


def test_integrated_gradients_are_complete(backbone):
    images = noise(3, 3, 8, 8)
    maps = attribute("integrated-gradients", backbone, Backbone.forward, images, first)
    with torch.no_grad():
        gained = backbone(images)[:, 0] - backbone(torch.zeros_like(images))[:, 0]
    torch.testing.assert_close(maps.sum((1, 2)), gained, rtol=1e-3, atol=1e-4)


def test_input_times_gradient_of_a_network_without_biases_is_its_output():
    with isolated(0):
        network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2, bias=False))
    images = noise(2, 3, 8, 8)
    maps = attribute("input-x-gradient", network.eval(), lambda net, x: net(x), images, torch.ones_like)
    torch.testing.assert_close(maps.sum((1, 2)), network(images).sum(1))


def test_grad_cam_as_by_hand(backbone):
    images = noise(2, 3, 8, 8)
    features = backbone.features(images).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(backbone.classifier(backbone.average(features))[:, 0].sum(), features)
    cells = (gradient.mean((2, 3), keepdim=True) * features).sum(1).relu().detach()
    ours = attribute("grad-cam", backbone, Backbone.forward, images, first)
    assert ours.shape == (2, 8, 8)
    for row in range(8):
        for column in range(8):
            cell = cells[:, (2 * row + 1) * 6 // 16, (2 * column + 1) * 6 // 16]
            torch.testing.assert_close(ours[:, row, column], cell)


@pytest.mark.parametrize("kind", TITLES)
def test_a_declared_way_is_taken_and_lrp_kl_does_not_apply(backbone, kind):
    images = noise(2, 3, 8, 8)
    backbone.attribution = kind
    assert torch.equal(
        propagate(backbone, Backbone.forward, images, first), attribute(kind, backbone, Backbone.forward, images, first)
    )
    assert by_gradients(backbone) == f"maps by {TITLES[kind]}"
    offered = offer(recipe("kmex", {}, "*"), examine(backbone, images))
    assert offered.reason_against(RO_AUROC, "kmex", "noise") is None
    assert offered.reason_against(LRP_KL, "kmex", "noise").startswith(f"maps are made by {TITLES[kind]}")


def test_an_unknown_way_is_refused_with_those_there_are(backbone):
    with pytest.raises(SuiteInvalid, match="attribution is 'saliency'; accepted are lrp, integrated-gradients"):
        attribute("saliency", backbone, Backbone.forward, noise(1, 3, 8, 8), first)


class Residual(nn.Module):
    """A hand-made block whose sum multiplies what arrives."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return x * self.conv(x)


def test_a_hand_made_backbone_is_examined_like_a_wrapped_one(backbone):
    assert not examine(backbone, noise(2, 3, 8, 8)).lacks
    with isolated(0):
        odd = freeze(Backbone([nn.Conv2d(3, 4, 3), Residual()], nn.Linear(4, 3)))
    (reason,) = examine(odd, image_size=8).lacks.values()
    assert "its step 'mul' has no rule" in reason
    assert 'attribution = "integrated-gradients"' in reason
    before = dict(odd.lacks)
    assert examine(odd, image_size=8).lacks == before
