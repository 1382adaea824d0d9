"""FLINT: every term of the loss against its formula, the steps in which they are switched on, and its relevance."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones.backbone import Backbone, built
from sembench.backbones.resnet import resnet18
from sembench.errors import FitImpossible
from sembench.seeding import generator, isolated
from sembench.training.stages import Session
from sembench_baselines.flint import (
    FLINT,
    FLINTModel,
    FLINTShared,
    conciseness,
    entropy_of_mean,
    entropy_per_image,
    input_fidelity,
    output_fidelity,
)

SHORT = {"epochs": 3, "fidelity_from": 2, "entropy_from": 3}


def draw(*shape):
    return torch.randn(*shape, generator=generator(0, "draw", *shape), dtype=torch.float64)


@pytest.fixture(scope="module")
def fitted(backbone, data):
    return FLINT(**SHORT).resume(backbone, data.train, Session(0))


def entropy(probabilities):
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def softmax(values):
    weights = [math.exp(abs(v)) for v in values]
    return [w / sum(weights) for w in weights]


def test_input_fidelity_is_the_mean_squared_error():
    a, b = draw(2, 3, 4, 4), draw(2, 3, 4, 5)[..., :4]
    squares = [(x - y) ** 2 for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)]
    assert float(input_fidelity(a, b)) == pytest.approx(sum(squares) / len(squares))


def test_output_fidelity_is_the_cross_entropy_with_the_black_box_head():
    scores, logits = draw(4, 3), draw(4, 3) * 2
    total = 0.0
    for i in range(4):
        target = [math.exp(v) / sum(math.exp(w) for w in logits[i]) for v in logits[i]]
        own = [math.exp(v) / sum(math.exp(w) for w in scores[i]) for v in scores[i]]
        total -= sum(t * math.log(o) for t, o in zip(target, own, strict=True))
    assert float(output_fidelity(scores, logits)) == pytest.approx(total / 4)


def test_output_fidelity_teaches_the_interpreter_and_not_the_network():
    scores, logits = draw(4, 3).requires_grad_(), draw(4, 3).requires_grad_()
    output_fidelity(scores, logits).backward()
    assert logits.grad is None
    assert scores.grad.abs().sum() > 0


def test_conciseness_and_entropies_are_those_of_the_formulas():
    attributes = draw(5, 6)
    rows = attributes.tolist()
    assert float(conciseness(attributes)) == pytest.approx(sum(sum(map(abs, row)) / 6 for row in rows) / 5)
    shares = [softmax(row) for row in rows]
    assert float(entropy_per_image(attributes)) == pytest.approx(sum(map(entropy, shares)) / 5)
    mean = [sum(column) / 5 for column in zip(*shares, strict=True)]
    assert float(entropy_of_mean(attributes)) == pytest.approx(entropy(mean))


@pytest.mark.parametrize("term", [conciseness, entropy_per_image, entropy_of_mean])
def test_gradients_agree_with_finite_differences(term):
    assert torch.autograd.gradcheck(term, draw(4, 5).requires_grad_())
    target = draw(4, 3) * 2
    assert torch.autograd.gradcheck(lambda x: output_fidelity(x, target), draw(4, 3).requires_grad_())
    images = draw(2, 3, 2, 2) + 1
    assert torch.autograd.gradcheck(lambda x: input_fidelity(x, images), draw(2, 3, 2, 2).requires_grad_())


def test_terms_are_switched_on_in_steps_with_the_weights_of_the_paper(fitted, data):
    recipe, batch = FLINT(fidelity_from=3, entropy_from=5), data.train.batch(torch.arange(8))
    names = [set(recipe.losses(fitted, batch.images, batch.labels, epoch)) for epoch in range(1, 7)]
    first = {"cross-entropy", "input fidelity"}
    second = first | {"output fidelity", "conciseness"}
    assert names == [first, first, second, second, second | {"entropy", "diversity"}, second | {"entropy", "diversity"}]
    terms = recipe.losses(fitted, batch.images, batch.labels, 5)
    explanation = fitted(batch.images)
    attributes, (_, features) = explanation.similarities, fitted.look(batch.images)
    logits = fitted.classifier(features.mean((2, 3)))
    expected = {
        "cross-entropy": 0.8 * F.cross_entropy(logits, batch.labels),
        "input fidelity": 0.8 * input_fidelity(fitted.decoder(attributes), batch.images),
        "output fidelity": output_fidelity(explanation.class_scores, logits),
        "conciseness": 0.1 * conciseness(attributes),
        "entropy": 0.2 * entropy_per_image(attributes),
        "diversity": -0.2 * entropy_of_mean(attributes),
    }
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(float(value), rel=1e-4), name


@pytest.mark.parametrize(("epochs", "h_moves"), [(1, False), (2, True)])
def test_the_interpreter_learns_once_output_fidelity_is_on(epochs, h_moves, backbone, data):
    recipe = FLINT(epochs=epochs, fidelity_from=2, entropy_from=9)
    start = FLINT(epochs=0).resume(backbone, data.train, Session(0)).fitted_state()
    end = recipe.resume(backbone, data.train, Session(0)).fitted_state()
    assert torch.equal(start["h.weight"], end["h.weight"]) != h_moves
    for part in ("classifier", "attribute_layer", "decoder.start", "taps.0.0", "merge.0"):
        name = f"{part}.weight"
        assert not torch.equal(start[name], end[name]), name


def test_attributes_belong_to_the_class_of_their_largest_weight_or_to_none(fitted, data):
    weight = fitted.h.weight
    for j, label in enumerate(fitted.prototypes.classes.tolist()):
        assert float(weight[label, j]) == float(weight[:, j].max())
    shared = FLINTShared(epochs=0)
    model = FLINTModel(Backbone(fitted.blocks, fitted.classifier), 50, data.train.image_size, shared)
    assert set(model.prototypes.classes.tolist()) == {-1}


def test_similarities_are_the_attributes_and_h_decides(fitted, data):
    images = data.test.batch(torch.arange(6)).images
    explanation = fitted(images)
    z, vectors = explanation.embeddings, fitted.prototypes.vectors
    attributes = (z @ vectors.T + fitted.attribute_layer.bias).clamp(min=0)
    torch.testing.assert_close(explanation.similarities, attributes)
    torch.testing.assert_close(explanation.class_scores, attributes @ fitted.h.weight.T + fitted.h.bias)


@pytest.mark.parametrize("size", [32, 33, 64])
def test_psi_is_two_convolutions_a_third_on_both_a_pool_and_a_linear_layer(size):
    """Written out for a ResNet18, whose last stage has two blocks, at sizes that it halves with and without rest."""
    with isolated(0):
        network = built(lambda: resnet18(10)).eval()
        model = FLINTModel(network, 7, size, FLINT()).eval()
    images = torch.randn(2, 3, size, size, generator=generator(0, "images"))
    third = network.feature_maps(images)[2]
    inner = network.blocks[3][0](third)
    one, two = (tap[0] for tap in model.taps)
    first = F.conv2d(third, one.weight, one.bias, stride=2, padding=1).relu()
    second = F.conv2d(inner, two.weight, two.bias, padding=1).relu()
    assert first.shape == second.shape == (2, 64, *inner.shape[2:])
    both = torch.cat([first, second], 1)
    merged = F.conv2d(both, model.merge[0].weight, model.merge[0].bias, padding=1).relu()
    embeddings = merged.mean((2, 3))
    assert embeddings.shape == (2, 512)
    torch.testing.assert_close(model.embed(images), embeddings, rtol=1e-4, atol=1e-6)
    attributes = (embeddings @ model.attribute_layer.weight.T + model.attribute_layer.bias).relu()
    torch.testing.assert_close(model(images).similarities, attributes, rtol=1e-4, atol=1e-6)


def test_taps_of_one_resolution_are_not_strided():
    with isolated(0):
        blocks = [nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)]
        model = FLINTModel(Backbone(blocks, nn.Linear(5, 3)), 6, 8, FLINT(latent=9)).eval()
    assert [tap[0].stride for tap in model.taps] == [(1, 1), (1, 1)]
    assert model.embed(torch.zeros(2, 3, 8, 8)).shape == (2, 9)


def test_a_last_stage_of_two_blocks_is_tapped_before_its_last_one(data):
    with isolated(0):
        network = built(lambda: resnet18(10))
        model = FLINTModel(network.eval(), 10, 33, FLINT()).eval()
    images = data.test.batch(torch.arange(2)).images
    first, second, last = model._taps(images)
    third = network.feature_maps(images)[2]
    torch.testing.assert_close(first, third)
    torch.testing.assert_close(second, network.blocks[3][0](third))
    torch.testing.assert_close(last, network.feature_maps(images)[3])


def test_relevance_is_conserved_down_to_the_pixels(backbone, data):
    """With biases left out, what is put on the score arrives, but for what lands on attributes without input."""
    model = FLINT(**SHORT, bias="zero").resume(backbone, data.train, Session(0))
    images = data.test.batch(torch.arange(6)).images
    with torch.no_grad():
        seed = model.probabilities(images).amax(1)
    assert torch.allclose(model.attribute(images).sum((1, 2)), seed, rtol=0.05)


def test_relevance_differs_between_targets(fitted, data):
    images = data.test.batch(torch.arange(4)).images
    zero, one = (fitted.attribute(images, torch.full((4,), label)) for label in (0, 1))
    assert not torch.allclose(zero, one)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_killed_after_any_epoch_ends_with_the_same_model(epochs, backbone, data, fitted, checkpoint):
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FLINT(**SHORT).resume(backbone, data.train, Session(0, checkpoint, report))
    found = FLINT(**SHORT).resume(backbone, data.train, Session(0, checkpoint)).fitted_state()
    expected = fitted.fitted_state()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_paper_preset_is_table_10():
    recipe = FLINT.configured("stl10", preset="paper")
    assert (recipe.epochs, recipe.fidelity_from, recipe.entropy_from, recipe.batch_size) == (30, 3, 5, 128)
    assert FLINT.configured("svhn", preset="paper").epochs == 10
    assert recipe.latent == 512


@pytest.mark.parametrize(
    "wrong", [{"epochs": -1}, {"batch_size": 1}, {"entropy_from": 0}, {"latent": 0}, {"bias": "none"}]
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(FitImpossible):
        FLINT(**wrong)
