"""CNN-as-SEM: Theorem 1 in numbers, and that its maps are the black box's."""

import copy

import pytest
import torch

from sembench.evaluation.maps import class_maps, prototype_maps
from sembench.metrics.lrp_kl import relevance_kl
from sembench.relevance.propagation import black_box_relevance
from sembench_baselines.blackbox import BlackBox
from sembench_baselines.cnn import CNN


@pytest.fixture
def model(backbone, train, source):
    return CNN().fit(backbone, train, generator=source)


@pytest.fixture
def biased(backbone):
    """The same network with a bias so large that it decides."""
    network = copy.deepcopy(backbone)
    with torch.no_grad():
        network.classifier.bias[3] += 50
    return network


def test_similarity_plus_bias_is_the_logit(model, backbone, images):
    with torch.no_grad():
        found = model(images).similarities + backbone.classifier.bias
        torch.testing.assert_close(found, backbone(images), rtol=1e-5, atol=1e-5)


def test_the_mean_of_a_similarity_map_is_the_similarity(model, images):
    with torch.no_grad():
        explanation = model(images)
    means = explanation.similarity_maps.mean((2, 3))
    torch.testing.assert_close(means, explanation.similarities, rtol=1e-5, atol=1e-5)


def test_a_cell_of_a_similarity_map_is_the_dot_product_of_feature_and_prototype(model, backbone, images):
    with torch.no_grad():
        features = backbone.features(images[:2])
        maps = model(images[:2]).similarity_maps
    height, width = features.shape[2:]
    assert maps.shape == (2, backbone.n_classes, height, width)
    for image in range(2):
        for k, column in enumerate(backbone.classifier.weight):
            for y in range(height):
                for x in range(width):
                    expected = (features[image, :, y, x] * column).sum()
                    torch.testing.assert_close(maps[image, k, y, x], expected, rtol=1e-4, atol=1e-5)


def test_the_prototypes_are_the_columns_of_the_classifier_one_a_class(model, backbone):
    assert torch.equal(model.prototypes.vectors, backbone.classifier.weight)
    assert model.prototypes.classes.tolist() == list(range(backbone.n_classes))


def test_the_class_score_is_the_similarity_itself(model, images):
    with torch.no_grad():
        explanation = model(images)
    assert torch.equal(explanation.class_scores, explanation.similarities)
    assert torch.equal(explanation.predictions, explanation.similarities.argmax(1))


def test_without_its_bias_it_may_decide_otherwise_than_the_black_box(biased, train, source, images):
    plain = CNN().fit(biased, train, generator=source)
    with torch.no_grad():
        assert bool((biased(images).argmax(1) == 3).all())
        assert not bool((plain(images).predictions == 3).all())


def test_with_the_bias_in_the_score_it_is_the_black_box(biased, train, source, images):
    model = CNN(bias_in_score=True).fit(biased, train, generator=source)
    black_box = BlackBox().fit(biased, train, generator=source)
    with torch.no_grad():
        torch.testing.assert_close(model(images).class_scores, biased(images), rtol=1e-5, atol=1e-5)
        assert torch.equal(model(images).predictions, biased(images).argmax(1))
        torch.testing.assert_close(model.probabilities(images), black_box.probabilities(images), rtol=1e-4, atol=1e-6)
    assert torch.equal(model.attribute(images), black_box.attribute(images))


def test_the_bias_in_the_score_leaves_similarities_as_they_are(backbone, train, source, images):
    plain, full = (CNN(bias_in_score=flag).fit(backbone, train, generator=source) for flag in (False, True))
    with torch.no_grad():
        assert torch.equal(plain(images).similarities, full(images).similarities)


def test_its_maps_are_the_black_box_s_where_predictions_agree(model, backbone, images):
    with torch.no_grad():
        agree = model(images).predictions == backbone(images).argmax(1)
    assert int(agree.sum()) >= len(images) - 2
    divergence = relevance_kl(model.attribute(images)[agree], black_box_relevance(backbone, images)[agree])
    assert torch.equal(divergence, torch.zeros_like(divergence))


def test_where_predictions_differ_it_explains_its_own_class(biased, train, source, images):
    model = CNN().fit(biased, train, generator=source)
    with torch.no_grad():
        predictions = model(images).predictions
    found = model.attribute(images)
    assert torch.equal(found, black_box_relevance(biased, images, predictions))
    differ = predictions != 3
    assert bool(differ.any())
    assert not torch.equal(found[differ], black_box_relevance(biased, images)[differ])


def test_its_prototype_map_is_the_class_map_of_the_prototype_s_class_but_for_the_scale(model, backbone, images):
    chosen = torch.arange(len(images)) % backbone.n_classes
    odds = backbone(images).softmax(1).detach()
    own = black_box_relevance(backbone, images, chosen)
    found = odds.gather(1, chosen[:, None])[:, :, None] * model.attribute_prototypes(images, chosen)
    for one, other in zip(found, own, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * other.abs().max().item())
    shown, decided = prototype_maps(model, images), class_maps(model, images)
    assert relevance_kl(shown.relevance, decided.relevance).max() < 1e-9
    assert shown.note == decided.note == ""


def test_an_unlikely_prototype_has_a_map_too(backbone, train, source, images):
    """Its class's probability is 0 in single precision: a map scaled by that would be 0 everywhere."""
    network = copy.deepcopy(backbone)
    with torch.no_grad():
        network.classifier.weight.mul_(1e4)
    model = CNN().fit(network, train, generator=source)
    least = model(images).similarities.argmin(1)
    assert not network(images).softmax(1).gather(1, least[:, None]).any()
    found = model.attribute_prototypes(images, least)
    assert bool((found.flatten(1) != 0).any(1).all())


def test_targets_are_explained_as_asked(model, backbone, images):
    targets = torch.arange(len(images)) % backbone.n_classes
    assert torch.equal(model.attribute(images, targets), black_box_relevance(backbone, images, targets))


def test_without_biases_its_map_sums_to_the_black_box_s_probability(backbone, train, source, images):
    model = CNN(bias="zero").fit(backbone, train, generator=source)
    targets = backbone(images).argmax(1)
    total = model.attribute(images, targets).sum((1, 2))
    torch.testing.assert_close(total, backbone(images).softmax(1).amax(1), rtol=1e-3, atol=0)


def test_probabilities_are_a_softmax_of_the_scores(model, images):
    with torch.no_grad():
        explanation = model(images)
        expected = torch.stack([row.exp() / row.exp().sum() for row in explanation.class_scores.double()])
        torch.testing.assert_close(model.probabilities(images).double(), expected, rtol=1e-4, atol=1e-7)


def test_prototype_similarities_are_the_dot_products_in_double_precision(model, backbone):
    found = model.prototype_similarities()
    assert found.dtype == torch.float64
    rows = backbone.classifier.weight.tolist()
    for i, row in enumerate(rows):
        for j, other in enumerate(rows):
            expected = sum(a * b for a, b in zip(row, other, strict=True))
            assert found[i, j].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_classifier_without_bias_can_be_read_too(backbone, train, source, images):
    network = copy.deepcopy(backbone)
    network.classifier.bias = None
    for flag in (False, True):
        model = CNN(bias_in_score=flag).fit(network, train, generator=source)
        with torch.no_grad():
            torch.testing.assert_close(model(images).class_scores, network(images), rtol=1e-5, atol=1e-5)
