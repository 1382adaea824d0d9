"""What applies to a network is decided before anything is fitted, with a reason."""

import pytest

from sembench.explainers.configuration import recipe
from sembench.metrics.applicability import offer
from sembench.plugins.registry import METRICS
from sembench.running.black_box import adapt
from sembench.seeding import isolated
from sembench.types import OF_DATA, Capability


@pytest.fixture(scope="module")
def backbones(own):
    with isolated(0):
        return {name: adapt(cls(), image_size=32) for name, cls in own.FORMS.items()}


def reason(explainer, metric, backbone):
    return offer(recipe(explainer, {}, "*"), backbone).reason_against(METRICS.get(metric), explainer, "digits")


@pytest.mark.parametrize("explainer", ["kmex", "b3", "cnn", "blackbox", "protopnet", "flint", "kmex(flint)", "chance"])
def test_everything_applies_to_a_network_of_the_common_form(backbones, explainer):
    assert reason(explainer, "lrp_kl", backbones["mobile"]) is None
    assert reason(explainer, "accuracy", backbones["mixed"]) is None


def test_columns_of_a_classifier_need_a_linear_head(backbones):
    for metric in ("accuracy", "lrp_kl", "ghosting"):
        assert "not a linear layer on the average" in reason("cnn", metric, backbones["perceptron"])
    assert reason("kmex", "lrp_kl", backbones["perceptron"]) is None


def test_gradient_free_attribution_needs_a_linear_head_but_the_votes_do_not(backbones):
    assert reason("b2", "accuracy", backbones["perceptron"]) is None
    assert "not a linear layer" in reason("b2", "ro_auroc", backbones["perceptron"])
    assert "not a linear layer" in reason("b2", "lrp_kl", backbones["perceptron"])


def test_a_composite_of_more_blocks_than_there_are_does_not_apply(backbones):
    assert reason("b4", "accuracy", backbones["mobile"]) == (
        "the composite ends at block 4, but this backbone has 3 blocks"
    )
    assert "has 3 blocks" in reason("kmex(b4)", "accuracy", backbones["mobile"])


def test_maps_need_a_network_that_relevance_goes_through(backbones):
    unruly = backbones["unruly"]
    assert reason("kmex", "accuracy", unruly) is None
    for explainer in ("kmex", "blackbox", "cnn", "protopnet", "kmex(protopnet)", "shuffled"):
        assert reason(explainer, "ro_auroc", unruly).startswith("relevance propagation is not defined on it")
    assert reason("b1", "ro_auroc", unruly) is None
    assert reason("protovae", "ro_auroc", unruly) is None
    for explainer in ("b1", "protovae", "chance"):  # theirs are there, but the black box has none to compare with
        assert reason(explainer, "lrp_kl", unruly).startswith("relevance propagation is not defined on it")


def test_the_explainer_s_own_reason_comes_through(backbones):
    assert reason("blackbox", "diversity", backbones["mobile"]) == "a black box has no prototypes"
    assert Capability.ATTRIBUTION in offer(recipe("kmex", {}, "*"), backbones["mobile"]).offered


def test_attributes_are_the_data_set_s_to_offer_whatever_a_method_claims(backbones):
    assert reason("kmex", "attributes_captured", backbones["mobile"]) == "digits does not offer attributes of images"
    offered = offer(recipe("kmex", {}, "*"), backbones["mobile"], OF_DATA)
    assert offered.reason_against(METRICS.get("attributes_captured"), "kmex", "celeba") is None
