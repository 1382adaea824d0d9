"""What every recipe promises: it leaves no trace, depends on its generator alone, and comes back from its state."""

import random

import numpy as np
import pytest
import torch

from sembench.errors import FitImpossible
from sembench.explainers.configuration import recipe as configured
from sembench.relevance.propagation import black_box_relevance
from sembench.seeding import generator
from sembench.types import OF_DATA, Capability, check_explanation
from sembench_baselines.blackbox import BlackBox
from sembench_baselines.blocks import B4, B234
from sembench_baselines.cnn import CNN
from sembench_baselines.controls import Chance, Collapsed, Shuffled
from sembench_baselines.kmex import KMEx

RECIPES = {
    "blackbox": BlackBox(),
    "cnn": CNN(),
    "kmex": KMEx(),
    "kmex bisecting": KMEx(flavour="bisecting", similarity="log"),
    "b4": B4(),
    "b234": B234(max_rows=500),
    "chance": Chance(),
    "collapsed": Collapsed(),
    "shuffled": Shuffled(),
}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@pytest.fixture(params=RECIPES, scope="module")
def recipe(request):
    return RECIPES[request.param]


@pytest.fixture(scope="module")
def model(recipe, backbone, train):
    return recipe.fit(backbone, train, generator=generator(7, "fit"))


def state_of(backbone):
    return {name: value.clone() for name, value in backbone.state_dict().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


def test_a_fit_leaves_backbone_and_images_bit_identical_and_no_hooks(recipe, backbone, train, source):
    before, modes = state_of(backbone), [module.training for module in backbone.modules()]
    pixels, labels = train.pixels.clone(), train.labels.clone()
    recipe.fit(backbone, train, generator=source)
    assert_same(state_of(backbone), before)
    assert [module.training for module in backbone.modules()] == modes
    assert not any(len(getattr(module, kind)) for module in backbone.modules() for kind in HOOKS)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert torch.equal(train.pixels, pixels)
    assert torch.equal(train.labels, labels)


def test_using_a_model_leaves_the_backbone_bit_identical_and_without_hooks(model, backbone, images):
    before = state_of(backbone)
    model.attribute(images[:2])
    model.probabilities(images[:2])
    model.prototype_similarities()
    assert_same(state_of(backbone), before)
    assert not any(len(getattr(module, kind)) for module in backbone.modules() for kind in HOOKS)


def test_a_fit_and_its_model_draw_from_no_global_stream(
    recipe, backbone, train, source, images, global_streams_untouched
):
    with global_streams_untouched():
        model = recipe.fit(backbone, train, generator=source)
        model.probabilities(images[:2])
        model.attribute(images[:2])
        model.prototype_similarities()


def test_the_global_streams_do_not_change_the_fit(recipe, backbone, train, model):
    state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        again = recipe.fit(backbone, train, generator=generator(7, "fit"))
    finally:
        torch.set_rng_state(state[0])
        np.random.set_state(state[1])
        random.setstate(state[2])
    assert_same(again.fitted_state(), model.fitted_state())
    assert torch.equal(again.prototypes.vectors, model.prototypes.vectors)


def test_a_restored_model_says_exactly_what_the_fitted_one_says(recipe, backbone, model, images):
    state = {name: value.clone() for name, value in model.fitted_state().items()}
    restored = recipe.restore(backbone, state)
    assert type(restored) is type(model)
    assert restored.points == model.points
    assert_same(restored.fitted_state(), model.fitted_state())
    assert torch.equal(restored.prototypes.vectors, model.prototypes.vectors)
    assert torch.equal(restored.prototypes.classes, model.prototypes.classes)
    with torch.no_grad():
        first, second = model(images), restored(images)
    assert torch.equal(first.class_scores, second.class_scores)
    assert torch.equal(first.similarities, second.similarities)
    assert torch.equal(first.predictions, second.predictions)
    assert torch.equal(model.class_probabilities(first), restored.class_probabilities(second))
    assert torch.equal(model.prototype_similarities(), restored.prototype_similarities())
    assert torch.equal(model.attribute(images[:3]), restored.attribute(images[:3]))


def test_the_fitted_state_holds_nothing_of_the_backbone(model):
    state = model.fitted_state()
    assert not any(name.startswith("backbone") for name in state)
    assert all(value.is_contiguous() for value in state.values())
    assert all(bool(torch.isfinite(value).all()) for value in state.values())


def test_an_explanation_keeps_its_promises(model, train, images):
    with torch.no_grad():
        explanation = model(images)
    check_explanation(explanation, len(images), train.n_classes, model.prototypes, "the test")
    assert model.prototypes.classes.dtype == torch.int64


def test_probabilities_are_probabilities(model, train, images):
    with torch.no_grad():
        probabilities = model.probabilities(images)
    assert probabilities.shape == (len(images), train.n_classes)
    assert bool(((probabilities >= 0) & (probabilities <= 1)).all())
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(images)))


def test_relevance_has_one_finite_value_per_pixel(model, images):
    relevance = model.attribute(images[:3])
    assert relevance.shape == (3, *images.shape[2:])
    assert bool(torch.isfinite(relevance).all())
    assert not relevance.requires_grad


def test_relevance_is_the_same_inside_inference_mode(model, images):
    expected = model.attribute(images[:2])
    with torch.inference_mode():
        found = model.attribute(images[:2].clone())
    assert torch.equal(found, expected)


def test_similarities_between_prototypes_are_a_symmetric_square_in_double_precision(model):
    found = model.prototype_similarities()
    assert found.shape == (len(model.prototypes),) * 2
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, found.T)


def test_embeddings_are_what_the_explanation_holds(model, images):
    with torch.no_grad():
        assert torch.equal(model.embed(images[:2]), model(images[:2]).embeddings)


def test_the_black_box_under_the_interface_is_the_black_box(backbone, train, source, images):
    model = BlackBox().fit(backbone, train, generator=source)
    with torch.no_grad():
        torch.testing.assert_close(model(images).class_scores, backbone(images))
        torch.testing.assert_close(model.probabilities(images), backbone(images).softmax(1))
    assert torch.equal(model.attribute(images[:3]), black_box_relevance(backbone, images[:3]))
    assert len(model.prototypes) == 0
    assert BlackBox.kind == "reference"


def test_what_the_black_box_cannot_show_has_a_reason():
    assert BlackBox.supports | BlackBox.lacks.keys() == set(Capability) - OF_DATA
    assert not BlackBox.supports & BlackBox.lacks.keys()


@pytest.mark.parametrize("make", [BlackBox, CNN])
def test_an_unknown_treatment_of_biases_is_refused(make):
    with pytest.raises(FitImpossible, match="bias is 'keep'; accepted are share, zero"):
        make(bias="keep")


@pytest.mark.parametrize("name", ["kmex", "b4", "b34", "collapsed", "kmex-patches", "kmex(flint)"])
@pytest.mark.parametrize(("dataset", "count"), [("mnist", 5), ("cub", 10), ("celeba", 20)])
def test_the_papers_have_more_prototypes_where_classes_are_wide(name, dataset, count):
    assert configured(name, {"preset": "paper"}, dataset).hyperparameters()["prototypes_per_class"] == count
