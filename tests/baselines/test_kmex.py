"""KMEx against brute force: k-means, decisions, probabilities and the head's relevance, one number at a time."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import nn

import rules_by_hand as by_hand
from sembench.backbones.backbone import Backbone, freeze
from sembench.data.dataset import Split
from sembench.data.normalisation import Normalisation
from sembench.errors import FitImpossible, NotOffered, UnknownName
from sembench.figures.overlay import difference
from sembench.seeding import generator
from sembench.similarity import SIMILARITIES
from sembench.types import Prototypes
from sembench_baselines.kmex import RULES, KMEx, KMExModel

OF_DISTANCE = ("distance", "squared", "exp", "log", "log2")
EXPLAINED = ("nearest", "mean")


def fit(recipe, backbone, train):
    return recipe.fit(backbone, train, generator=generator(7, "fit"))


@pytest.fixture(scope="module")
def model(backbone, train):
    return fit(KMEx(), backbone, train)


@pytest.fixture(scope="module")
def few(images):
    """Images to make relevance maps of."""
    return images[::3]


def as_recipe(model, **settings):
    """A model with the same prototypes under other settings that the fit does not depend on."""
    return KMExModel(model.backbone, model.prototypes, KMEx(**settings))


def points_of(embeddings, train, label):
    return embeddings[train.labels == label].double().numpy()


def assert_same_rows(found, expected):
    """The same vectors in any order."""
    order = [min(range(len(found)), key=lambda j: np.linalg.norm(found[j] - row)) for row in expected]
    assert sorted(order) == list(range(len(found)))
    np.testing.assert_allclose(found[order], expected, rtol=1e-4, atol=1e-5)


def flat_backbone(dimension, n_classes):
    """A backbone whose embedding is the image itself: ``(B, D, 1, 1)`` to ``(B, D)``."""
    return freeze(Backbone([nn.Identity()], nn.Linear(dimension, n_classes)))


def flat_split(points, labels, n_classes):
    """Points as images of one pixel, with as many channels as dimensions."""
    channels = points.shape[1]
    identity = Normalisation((0.0,) * channels, (1.0,) * channels)
    return Split(points[:, :, None, None], labels, 1, identity, n_classes)


# --- prototypes ------------------------------------------------------------------------------------------------------


def test_there_are_five_prototypes_a_class_in_class_order(model, backbone, train):
    assert model.prototypes.vectors.shape == (5 * train.n_classes, backbone.dimension)
    assert model.prototypes.classes.tolist() == [label for label in range(train.n_classes) for _ in range(5)]


def test_every_prototype_is_the_mean_of_the_points_of_its_class_that_are_nearest_to_it(model, embeddings, train):
    for label in range(train.n_classes):
        points = points_of(embeddings, train, label)
        centres = model.prototypes.vectors[model.prototypes.classes == label].double().numpy()
        nearest = [min(range(len(centres)), key=lambda j: np.linalg.norm(point - centres[j])) for point in points]
        assert set(nearest) == set(range(len(centres)))
        for j, centre in enumerate(centres):
            members = [point for point, owner in zip(points, nearest, strict=True) if owner == j]
            np.testing.assert_allclose(centre, np.mean(members, axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("restarts", [1, 4])
def test_prototypes_are_those_of_scikit_learn_on_the_embeddings_of_each_class(backbone, embeddings, train, restarts):
    model = fit(KMEx(n_init=restarts), backbone, train)
    seeds = torch.randint(2**31 - 1, (train.n_classes,), generator=generator(7, "fit")).tolist()
    for label, seed in enumerate(seeds):
        points = embeddings[train.labels == label].numpy()
        reference = KMeans(5, init="k-means++", n_init=restarts, random_state=seed).fit(points)
        found = model.prototypes.vectors[model.prototypes.classes == label].numpy()
        assert_same_rows(found, reference.cluster_centers_)


def test_more_restarts_find_tighter_clusters(backbone, embeddings, train, model):
    def spread(prototypes):
        own = train.labels[:, None] == prototypes.classes[None]
        squared = torch.cdist(embeddings, prototypes.vectors).square()
        return squared.masked_fill(~own, torch.inf).amin(1).sum().item()

    assert spread(fit(KMEx(n_init=5), backbone, train).prototypes) < spread(model.prototypes)


def test_one_prototype_a_class_is_the_class_mean(backbone, embeddings, train):
    model = fit(KMEx(prototypes_per_class=1), backbone, train)
    for label in range(train.n_classes):
        expected = points_of(embeddings, train, label).mean(0)
        np.testing.assert_allclose(model.prototypes.vectors[label].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_as_many_prototypes_as_images_are_the_images_themselves(backbone, embeddings, train):
    size = int((train.labels == 0).sum())
    model = fit(KMEx(prototypes_per_class=size), backbone, train)
    for label in range(train.n_classes):
        found = model.prototypes.vectors[model.prototypes.classes == label].numpy()
        assert_same_rows(found, points_of(embeddings, train, label))


def test_classes_may_have_different_numbers_of_prototypes(backbone, embeddings, train, images):
    counts = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    model = fit(KMEx(prototypes_per_class=counts), backbone, train)
    assert torch.bincount(model.prototypes.classes).tolist() == counts
    np.testing.assert_allclose(
        model.prototypes.vectors[0].numpy(), points_of(embeddings, train, 0).mean(0), rtol=1e-4, atol=1e-5
    )
    probabilities = model.probabilities(images)
    assert probabilities.shape == (len(images), train.n_classes)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(images)))


def test_other_labels_do_not_move_the_prototypes_of_a_class(backbone, train, model):
    """Classes are clustered apart: leaving out half of the other classes' images changes nothing."""
    kept = (train.labels == 0) | (torch.arange(len(train)) % 20 < 10)
    fewer = dataclasses.replace(train, pixels=train.pixels[kept], labels=train.labels[kept])
    found = fit(KMEx(prototypes_per_class=[5] + [1] * 9), backbone, fewer).prototypes
    torch.testing.assert_close(found.vectors[:5], model.prototypes.vectors[:5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [7, 64])
def test_the_batches_of_the_fit_do_not_change_the_result(backbone, train, model, size, monkeypatch):
    monkeypatch.setattr("sembench_baselines.kmex._FIT_BATCH", size)
    found = fit(KMEx(), backbone, train)
    torch.testing.assert_close(found.prototypes.vectors, model.prototypes.vectors, rtol=1e-4, atol=1e-4)


def test_another_seed_gives_other_prototypes(backbone, train, model):
    other = KMEx().fit(backbone, train, generator=generator(8, "fit"))
    assert not torch.equal(other.prototypes.vectors, model.prototypes.vectors)


def test_bisecting_prototypes_lie_among_the_points_of_their_class(backbone, embeddings, train):
    model = fit(KMEx(flavour="bisecting", prototypes_per_class=3), backbone, train)
    assert torch.bincount(model.prototypes.classes).tolist() == [3] * train.n_classes
    for label in range(train.n_classes):
        points = points_of(embeddings, train, label)
        for centre in model.prototypes.vectors[model.prototypes.classes == label].double().numpy():
            assert bool((centre >= points.min(0) - 1e-5).all())
            assert bool((centre <= points.max(0) + 1e-5).all())
    one = fit(KMEx(flavour="bisecting", prototypes_per_class=1), backbone, train)
    for label in range(train.n_classes):
        expected = points_of(embeddings, train, label).mean(0)
        np.testing.assert_allclose(one.prototypes.vectors[label].numpy(), expected, rtol=1e-4, atol=1e-5)


# --- decisions and probabilities -------------------------------------------------------------------------------------


def test_the_decision_is_the_class_of_the_nearest_prototype(model, backbone, images):
    with torch.no_grad():
        points = backbone.embed(images).double().numpy()
        predictions = model(images).predictions
    centres = model.prototypes.vectors.double().numpy()
    for point, prediction in zip(points, predictions.tolist(), strict=True):
        nearest = min(range(len(centres)), key=lambda j: np.linalg.norm(point - centres[j]))
        assert prediction == int(model.prototypes.classes[nearest])


def test_similarities_are_minus_the_distance(model, backbone, images):
    with torch.no_grad():
        points = backbone.embed(images).double().numpy()
        found = model(images).similarities.numpy()
    centres = model.prototypes.vectors.double().numpy()
    expected = [[-np.linalg.norm(point - centre) for centre in centres] for point in points]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_score_of_a_class_is_the_similarity_of_its_nearest_prototype(model, images):
    explanation = model(images)
    for row, scores in zip(explanation.similarities.tolist(), explanation.class_scores.tolist(), strict=True):
        for label, score in enumerate(scores):
            own = [s for s, c in zip(row, model.prototypes.classes.tolist(), strict=True) if c == label]
            assert score == max(own)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_the_probability_of_a_class_sums_the_softmax_over_all_prototypes(backbone, train, images, name):
    model = fit(KMEx(similarity=name, prototypes_per_class=[1, 2, 3, 1, 2, 3, 1, 2, 3, 1]), backbone, train)
    explanation = model(images)
    found = model.class_probabilities(explanation)
    for row, probabilities in zip(explanation.similarities.tolist(), found.tolist(), strict=True):
        powers = [math.exp(value - max(row)) for value in row]
        expected = [0.0] * train.n_classes
        for power, label in zip(powers, model.prototypes.classes.tolist(), strict=True):
            expected[label] += power / sum(powers)
        np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(model.probabilities(images), found)


def test_every_similarity_of_the_distance_decides_alike(model, images):
    decisions = [as_recipe(model, similarity=name)(images).predictions for name in OF_DISTANCE]
    for other in decisions[1:]:
        assert torch.equal(other, decisions[0])


@pytest.mark.parametrize("name", OF_DISTANCE)
@pytest.mark.parametrize("scale", [0.01, 1, 10, 100])
def test_every_similarity_of_the_distance_decides_alike_near_and_far(name, scale):
    """Points and prototypes at distances of about 0.05 to 500: no similarity may run out of digits."""
    points = scale * torch.randn(200, 16, generator=generator(0, "points"))
    vectors = scale * torch.randn(30, 16, generator=generator(0, "prototypes"))
    classes = torch.arange(10).repeat_interleave(3)
    apart = points.double().numpy()[:, None] - vectors.double().numpy()[None]
    exact = np.sqrt((apart**2).sum(2)).argmin(1)
    model = KMExModel(flat_backbone(16, 10), Prototypes(vectors, classes), KMEx(similarity=name))
    assert model(points[:, :, None, None]).predictions.tolist() == classes[exact].tolist()


@pytest.fixture(scope="module", params=["kmeans", "bisecting"])
def flavoured(request, backbone, train):
    return fit(KMEx(flavour=request.param), backbone, train)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_every_similarity_and_flavour_gives_finite_outputs(flavoured, images, name):
    model = as_recipe(flavoured, similarity=name)
    explanation = model(images)
    assert bool(torch.isfinite(explanation.class_scores).all())
    assert bool(torch.isfinite(explanation.similarities).all())
    assert bool(torch.isfinite(model.prototype_similarities()).all())
    torch.testing.assert_close(model.class_probabilities(explanation).sum(1), torch.ones(len(images)))


# --- similarities between prototypes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "of_itself"),
    [("distance", 0), ("squared", 0), ("exp", 1), ("log", math.log(1e4)), ("log2", math.log(1e4)), ("ned", 0)],
)
def test_every_prototype_is_at_distance_exactly_zero_of_itself(model, name, of_itself):
    assert len(model.prototypes) > 25  # where torch.cdist takes its shortcut
    found = as_recipe(model, similarity=name).prototype_similarities()
    assert found.dtype == torch.float64
    expected = torch.full_like(found.diagonal(), of_itself)
    torch.testing.assert_close(found.diagonal(), expected, rtol=1e-14, atol=0)  # for a distance of 0: equal


def test_similarities_between_prototypes_are_the_distances_by_brute_force(model):
    rows = model.prototypes.vectors.double().numpy()
    expected = [[-math.dist(a, b) for b in rows] for a in rows]
    np.testing.assert_allclose(model.prototype_similarities().numpy(), expected, rtol=1e-12)


# --- relevance of the head -------------------------------------------------------------------------------------------


def probability_of_the_prediction(model, images):
    """Not always the largest one: the class of the nearest prototype may have the smaller sum over its prototypes."""
    with torch.no_grad():
        explanation = model(images)
        return model.class_probabilities(explanation).gather(1, explanation.predictions[:, None])[:, 0]


def seed_by_hand(model, embeddings, targets):
    """The target class's probability, from brute-force distances."""
    centres, classes = model.prototypes.vectors.double(), model.prototypes.classes
    seeds = []
    for point, target in zip(embeddings.double(), targets.tolist(), strict=True):
        logits = [-float((point - centre).norm()) for centre in centres]
        powers = [math.exp(value - max(logits)) for value in logits]
        own = [power for power, label in zip(powers, classes.tolist(), strict=True) if label == target]
        seeds.append(sum(own) / sum(powers))
    return torch.tensor(seeds)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("explained", EXPLAINED)
@pytest.mark.parametrize("shift", [0, 1])
def test_the_head_conserves_the_probability_of_the_target(model, images, rule, explained, shift):
    model = as_recipe(model, rule=rule, explained=explained)
    with torch.no_grad():
        embeddings = model.embed(images)
        targets = (model(images).predictions + shift) % 10
    relevance = model.head_relevance(embeddings, targets if shift else None)
    assert relevance.shape == embeddings.shape
    seeds = seed_by_hand(model, embeddings, targets)
    spread = relevance.abs().sum(1).max().item()  # signed rules add large numbers that nearly cancel
    torch.testing.assert_close(relevance.sum(1), seeds, rtol=1e-4, atol=1e-6 * spread)


@pytest.mark.parametrize("rule", RULES)
def test_the_mean_over_prototypes_is_the_mean_of_their_relevances(model, images, rule):
    """With `explained="mean"` every prototype of the class has the same part of the class's relevance."""
    model = as_recipe(model, rule=rule, explained="mean")
    with torch.no_grad():
        embeddings = model.embed(images)
        targets = model(images).predictions
    found = model.head_relevance(embeddings)
    seeds = seed_by_hand(model, embeddings, targets)
    expected = torch.zeros_like(embeddings)
    for row, target in enumerate(targets.tolist()):
        for index in (model.prototypes.classes == target).nonzero()[:, 0]:
            one = model._channel_shares(embeddings[row : row + 1], index[None], targets[row : row + 1], rule)
            expected[row] += seeds[row] * one[0] / 5
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


RULES_BY_HAND = {
    "neon": by_hand.neon_by_hand,
    "contrast": by_hand.contrast_by_hand,
    "gxi": lambda z, p, rivals: by_hand.gxi_of_distance_by_hand(z, p),
    "prp": lambda z, p, rivals: by_hand.prp_by_hand(z, p),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shift", [0, 1])
def test_the_nearest_prototype_of_the_class_takes_all_of_its_relevance(model, backbone, images, rule, shift):
    with torch.no_grad():
        embeddings = backbone.embed(images)
        explanation = model.explain(embeddings)
    targets = (explanation.predictions + shift) % 10
    found = as_recipe(model, rule=rule).head_relevance(embeddings, targets)
    seeds = seed_by_hand(model, embeddings, targets)
    centres, classes = model.prototypes.vectors.tolist(), model.prototypes.classes.tolist()
    for row, (z, target) in enumerate(zip(embeddings.tolist(), targets.tolist(), strict=True)):
        own = [centre for centre, label in zip(centres, classes, strict=True) if label == target]
        rivals = [centre for centre, label in zip(centres, classes, strict=True) if label != target]
        parts = RULES_BY_HAND[rule](z, min(own, key=lambda centre, z=z: math.dist(z, centre)), rivals)
        expected = seeds[row].item() * np.array(by_hand.onto_active_by_hand(parts, z))
        largest = np.abs(expected).max()  # signed rules divide by what is left of large numbers
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-3, atol=1e-4 * largest)


# --- the two maps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_asked_for_gives_the_map_of_the_model_fitted_with_it(model, few, rule):
    for primary in RULES:
        asked = as_recipe(model, rule=primary).attribute_by(rule, few)
        assert torch.equal(asked, as_recipe(model, rule=rule).attribute(few))


def test_every_rule_has_a_class_map_of_its_own_and_one_map_of_prototypes(model, few):
    with torch.no_grad():
        explanation = model(few)
    nearest = explanation.similarities.argmax(1)
    class_maps = [as_recipe(model, rule=rule).attribute(few) for rule in RULES]
    for one, other in itertools.combinations(class_maps, 2):
        assert not torch.allclose(one, other, rtol=0.01)
    prototype_maps = [as_recipe(model, rule=rule).attribute_prototypes(few, nearest) for rule in RULES]
    for other in prototype_maps[1:]:
        assert torch.equal(other, prototype_maps[0])
    # PRP's class map is that of the nearest prototype, which has the class's probability instead of 1
    seeds = probability_of_the_prediction(model, few)[:, None, None]
    by_prp = as_recipe(model, rule="prp").attribute(few)
    torch.testing.assert_close(seeds * prototype_maps[0], by_prp, rtol=1e-3, atol=1e-4 * by_prp.abs().max().item())


def test_the_relevance_of_a_prototype_is_prp_on_active_channels(model, images):
    with torch.no_grad():
        embeddings = model.embed(images)
    chosen = torch.arange(len(images)) % len(model.prototypes)
    found = as_recipe(model, rule="contrast").prototype_relevance(embeddings, chosen)
    for row, (z, j) in enumerate(zip(embeddings.tolist(), chosen.tolist(), strict=True)):
        parts = by_hand.prp_by_hand(z, model.prototypes.vectors[j].tolist())
        np.testing.assert_allclose(found[row].numpy(), by_hand.onto_active_by_hand(parts, z), rtol=1e-3, atol=1e-7)


def test_the_maps_of_two_prototypes_of_a_class_differ(model, few):
    first, second = (torch.full((len(few),), index) for index in (0, 1))
    one, other = (model.attribute_prototypes(few, chosen) for chosen in (first, second))
    for a, b in zip(one, other, strict=True):
        assert difference(a.numpy(), b.numpy()) > 1e-3


def test_rules_that_a_head_does_not_have_are_refused_with_those_that_it_has(model, few):
    assert model.rules == RULES == ("neon", "contrast", "gxi", "prp")
    with pytest.raises(
        NotOffered, match=r"KMExModel has no rule 'lrp'; its rules: \('neon', 'contrast', 'gxi', 'prp'\)"
    ):
        model.attribute_by("lrp", few)
    of_cosine = as_recipe(model, similarity="cosine")
    assert of_cosine.rules == ("neon", "contrast", "prp")
    with pytest.raises(NotOffered, match="has no rule 'gxi'"):
        of_cosine.attribute_by("gxi", few)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(st.integers(0, 10**6), st.sampled_from(RULES), st.integers(1, 3), st.sampled_from([0.1, 1.0, 10.0]))
def test_whatever_the_prototypes_a_map_without_biases_sums_to_the_probability_of_the_decision(seed, rule, count, scale):
    """On a network of one pixel a cell, whose channels are off in some images."""
    source = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 5, 1, bias=False), nn.ReLU())
    network[0].weight.data = torch.randn(5, 3, 1, 1, generator=source)
    vectors = scale * torch.rand(2 * count, 5, generator=source)
    prototypes = Prototypes(vectors.double(), torch.arange(2).repeat(count))
    backbone = freeze(Backbone([network], nn.Linear(5, 2)).double())
    model = KMExModel(backbone, prototypes, KMEx(rule=rule, bias="zero"))
    images = scale * torch.randn(4, 3, 2, 2, generator=source).double()
    embeddings = model.embed(images)
    head = model.head_relevance(embeddings).abs().sum(1)
    seeds = probability_of_the_prediction(model, images)
    active = (embeddings != 0).any(1)
    kept = (head < 1e3) & active  # where parts nearly cancel, the rules' stabilisers take more
    total = model.attribute(images).sum((1, 2))
    torch.testing.assert_close(total[kept], seeds[kept], rtol=0, atol=1e-2)
    assert total[~active].tolist() == [0.0] * int((~active).sum())


def test_no_relevance_is_put_on_channels_that_are_off(model, images):
    with torch.no_grad():
        embeddings = model.embed(images)
    assert bool((embeddings == 0).any())
    for rule in RULES:
        relevance = as_recipe(model, rule=rule).head_relevance(embeddings)
        assert not relevance[embeddings == 0].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("explained", EXPLAINED)
def test_without_biases_the_map_sums_to_the_probability_of_the_prediction(model, few, rule, explained):
    model = as_recipe(model, rule=rule, explained=explained, bias="zero")
    relevance = model.attribute(few)
    assert relevance.shape == (len(few), *few.shape[2:])
    with torch.no_grad():
        explanation = model(few)
        head = model.head_relevance(explanation.embeddings)
    seeds = probability_of_the_prediction(model, few)
    spread = (head.abs().sum(1) / seeds).max().item()
    # the stabiliser of the rules keeps a little where a channel is all but off
    torch.testing.assert_close(relevance.sum((1, 2)), seeds, rtol=5e-3 * spread, atol=0)


def test_by_default_biases_take_a_share_of_the_map(model, few):
    arrived = model.attribute(few).sum((1, 2)) / probability_of_the_prediction(model, few)
    assert bool(((arrived - 1).abs() > 1e-3).all())  # how much, and of which sign, depends on the training


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", [name for name in SIMILARITIES if name != "cosine"])
def test_every_rule_explains_every_similarity(model, few, rule, name):
    model = as_recipe(model, rule=rule, similarity=name)
    with torch.no_grad():
        relevance = model.head_relevance(model.embed(few))
    seeds = probability_of_the_prediction(model, few)
    spread = relevance.abs().sum(1).max().item()
    torch.testing.assert_close(relevance.sum(1), seeds, rtol=1e-3, atol=1e-5 * spread)
    assert bool(torch.isfinite(model.attribute(few[:2])).all())


def test_gradient_times_input_of_the_cosine_is_refused_or_conserves(model, few):
    """The cosine does not change along the embedding, so its gradient times the input sums to 0: nothing to share out.

    Dividing by what rounding leaves of that 0 gives maps of any size and sign.
    """
    try:
        model = as_recipe(model, rule="gxi", similarity="cosine")
    except FitImpossible:
        return
    with torch.no_grad():
        relevance = model.head_relevance(model.embed(few))
    seeds = probability_of_the_prediction(model, few)
    torch.testing.assert_close(relevance.sum(1), seeds, rtol=1e-3, atol=1e-5)
    assert relevance.abs().max() < 1e3


@pytest.mark.parametrize("rule", RULES)
def test_a_training_image_that_is_its_own_prototype_has_a_map_too(backbone, train, rule):
    """Small clusters hold one image: its embedding is the prototype, at distance 0."""
    size = int((train.labels == 0).sum())
    model = fit(KMEx(rule=rule, prototypes_per_class=size), backbone, train)
    embeddings = model.prototypes.vectors[:5]
    seeds = model.class_probabilities(model.explain(embeddings))[:, 0]
    relevance = model.head_relevance(embeddings)
    spread = relevance.abs().sum(1).max().item()
    torch.testing.assert_close(relevance.sum(1), seeds, rtol=1e-3, atol=1e-5 * spread)


@pytest.mark.parametrize("rule", RULES)
def test_targets_change_the_map(model, few, rule):
    model = as_recipe(model, rule=rule)
    with torch.no_grad():
        predictions = model(few).predictions
    default = model.attribute(few)
    assert torch.equal(model.attribute(few, predictions), default)
    other = model.attribute(few, (predictions + 1) % 10)
    assert not torch.allclose(other, default, rtol=0.1)


def test_an_image_has_the_same_map_alone_and_in_a_batch(model, few):
    """Exactly in float64; in float32 denominators near zero enlarge what convolutions round by the batch's size."""
    network = copy.deepcopy(model.backbone).double()
    exact = dataclasses.replace(model.prototypes, vectors=model.prototypes.vectors.double())
    for rule in RULES:
        ruled = KMExModel(network, exact, KMEx(rule=rule))
        together = ruled.attribute(few.double())
        for index in (0, len(few) - 1):
            alone = ruled.attribute(few[index : index + 1].double())[0]
            torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-9 * alone.abs().max().item())


# --- errors ----------------------------------------------------------------------------------------------------------


def without(split, label, keep=0):
    """The split with only the first ``keep`` images of a class."""
    kept = (split.labels != label).clone()
    kept[(split.labels == label).nonzero()[:keep, 0]] = True
    return dataclasses.replace(split, pixels=split.pixels[kept], labels=split.labels[kept])


def test_more_prototypes_than_images_are_refused_with_the_largest_possible_number(backbone, train):
    with pytest.raises(FitImpossible, match=r"class 4 has 3 training images, fewer than the 5 .* at most 3"):
        fit(KMEx(), backbone, without(train, 4, keep=3))


def test_as_many_prototypes_as_images_are_accepted(backbone, train):
    assert len(fit(KMEx(prototypes_per_class=3), backbone, without(train, 4, keep=3)).prototypes) == 30


@pytest.mark.parametrize("label", [0, 4, 9])
def test_a_class_without_images_is_refused_by_its_number(backbone, train, label):
    with pytest.raises(FitImpossible, match=f"class {label} has no training image"):
        fit(KMEx(), backbone, without(train, label))


@pytest.mark.parametrize("flavour", ["kmeans", "bisecting"])
def test_too_few_distinct_points_are_refused_with_the_class(flavour):
    points = torch.randn(12, 4, generator=generator(0, "points"))
    points[6:] = points[6:8].repeat(3, 1)  # class 1 has two distinct points
    labels = torch.tensor([0] * 6 + [1] * 6)
    split, backbone = flat_split(points, labels, 2), flat_backbone(4, 2)
    assert len(fit(KMEx(prototypes_per_class=2, flavour=flavour), backbone, split).prototypes) == 4
    with pytest.raises(FitImpossible, match="class 1 has too few distinct points for 3 prototypes"):
        fit(KMEx(prototypes_per_class=3, flavour=flavour), backbone, split)


@pytest.mark.parametrize("count", [0, -1, [5, 5], [5] * 9 + [0], []])
def test_numbers_of_prototypes_that_fit_no_class_list_are_refused(backbone, train, count):
    with pytest.raises(FitImpossible, match=r"prototypes_per_class is .* give one positive number, or 10 of them"):
        fit(KMEx(prototypes_per_class=count), backbone, train)


def test_an_unknown_similarity_is_refused_with_near_matches():
    with pytest.raises(UnknownName, match=r"unknown similarity 'distence'. Did you mean 'distance'\? Known: .*squared"):
        KMEx(similarity="distence")


@pytest.mark.parametrize(
    ("setting", "value", "accepted"),
    [
        ("flavour", "kmedoids", "kmeans, bisecting"),
        ("rule", "lrp", "neon, contrast, gxi, prp"),
        ("explained", "all", "nearest, mean"),
        ("bias", "keep", "share, zero"),
    ],
)
def test_an_unknown_setting_is_refused_with_what_is_accepted(setting, value, accepted):
    with pytest.raises(FitImpossible, match=f"{setting} is '{value}'; accepted are {accepted}"):
        KMEx(**{setting: value})


def test_the_recipe_s_fields_are_its_hyperparameters():
    assert KMEx().hyperparameters() == {
        "prototypes_per_class": 5,
        "flavour": "kmeans",
        "n_init": 1,
        "similarity": "distance",
        "rule": "neon",
        "explained": "nearest",
        "bias": "share",
    }
