"""Patch-level KMEx against brute force, one cell and one prototype at a time."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.errors import FitImpossible, NotOffered
from sembench.relevance.prototypes import contrast, gxi, neon, onto_active, prp
from sembench.seeding import generator
from sembench.similarity import SIMILARITIES, similarity
from sembench.types import Prototypes
from sembench_baselines.blocks import B4, BlocksModel, Level
from sembench_baselines.kmex import RULES, KMEx, KMExModel
from sembench_baselines.kmex_patches import KMExPatches, KMExPatchesModel


@pytest.fixture(scope="module")
def model(backbone, train):
    return KMExPatches(prototypes_per_class=2).fit(backbone, train, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def features(backbone, images):
    with torch.no_grad():
        return backbone.features(images)


def as_recipe(model, **changes):
    """The same prototypes under other hyper-parameters."""
    return KMExPatchesModel(model.backbone, model.prototypes, dataclasses.replace(model.recipe, **changes))


def hand_made(prototypes, classes, **changes):
    """A model on images that are feature maps themselves."""
    backbone = freeze(Backbone([nn.Identity()], nn.Linear(len(prototypes[0]), max(classes) + 1)))
    return KMExPatchesModel(
        backbone, Prototypes(torch.tensor(prototypes), torch.tensor(classes)), KMExPatches(**changes)
    )


def row_of_cells(*cells):
    """A feature map ``(1, D, 1, n)``."""
    return torch.tensor(cells).T[None, :, None]


# --- fit -------------------------------------------------------------------------------------------------------------


def test_prototypes_are_centroids_of_the_cells_of_a_class(model, backbone, train):
    """With one prototype a class, the centroid is the mean of all cells."""
    one = KMExPatches(prototypes_per_class=1).fit(backbone, train, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = torch.cat([backbone.features(batch.images) for batch in train.batches(64)])
    for label in (0, 7):
        cells = maps[train.labels == label].permute(0, 2, 3, 1).flatten(0, 2)
        torch.testing.assert_close(one.vectors[label], cells.mean(0), rtol=1e-4, atol=1e-5)
        found = model.vectors[model.classes == label].double().numpy()
        expected = KMeans(2, init=found, n_init=1).fit(cells.double().numpy()).cluster_centers_
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)  # a fixed point of k-means


def test_a_bounded_sample_of_cells_is_used(backbone, train):
    small = KMExPatches(prototypes_per_class=2, max_rows=100)
    fitted = small.fit(backbone, train, generator=torch.Generator().manual_seed(0))
    assert len(fitted.prototypes) == 20
    with pytest.raises(FitImpossible, match="max_rows is 10, which leaves 1 cells for a class of 2"):
        KMExPatches(prototypes_per_class=2, max_rows=10).fit(backbone, train, generator=torch.Generator())


# --- votes -----------------------------------------------------------------------------------------------------------


def votes_by_hand(features, vectors, classes, compare):
    """For each image: similarity of each cell to each prototype, votes per class, and the decision."""
    for image in features.double():
        cells = [image[:, y, x] for y in range(image.shape[1]) for x in range(image.shape[2])]
        table = [[float(compare(cell[None], p[None])[0, 0]) for p in vectors.double()] for cell in cells]
        votes = [classes[int(np.argmax(row))] for row in table]
        counts = {k: votes.count(k) for k in set(classes)}
        tied = [k for k in counts if counts[k] == max(counts.values())]
        nearest = {k: sum(max(s for s, c in zip(row, classes, strict=True) if c == k) for row in table) for k in tied}
        yield table, counts, max(tied, key=nearest.__getitem__)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_cells_vote_for_the_class_of_their_most_similar_prototype(model, features, name):
    """[K] A.7: "the majority vote of the KMEx predictions for each patch"."""
    other, few = as_recipe(model, similarity=name), features[::4]
    explanation, cells = other.explain(few), features[0, 0].numel()
    found = votes_by_hand(few, other.vectors, other.classes.tolist(), similarity(name))
    for image, (table, counts, decision) in enumerate(found):
        assert explanation.class_scores[image].tolist() == pytest.approx([counts[k] / cells for k in range(10)])
        assert explanation.predictions[image] == decision
        np.testing.assert_allclose(explanation.similarity_maps[image].flatten(1).T, table, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(explanation.similarities[image], np.mean(table, 0), rtol=1e-4, atol=1e-6)
    assert torch.equal(other.class_probabilities(explanation), explanation.class_scores)
    assert other.points == "cell"


def test_the_majority_decides_and_not_the_nearest_pair():
    """Two cells hardly prefer class 0; the third lies on the prototype of class 1."""
    model = hand_made([[0.0, 0.0], [4.0, 0.0]], [0, 1])
    explanation = model(row_of_cells([1.9, 0.0], [1.9, 0.0], [4.0, 0.0]))
    assert explanation.class_scores.tolist() == [pytest.approx([2 / 3, 1 / 3])]
    assert explanation.predictions.tolist() == [0]


@pytest.mark.parametrize(("near", "decision"), [(1.0, 0), (0.1, 1)])
def test_a_tie_goes_to_the_smaller_summed_distance(near, decision):
    """To class 0: 0.5 + 4 - near; to class 1: 3.5 + near."""
    model = hand_made([[0.0, 0.0], [4.0, 0.0]], [0, 1])
    explanation = model(row_of_cells([0.5, 0.0], [4.0 - near, 0.0]))
    assert explanation.class_scores.tolist() == [[0.5, 0.5]]
    assert explanation.predictions.tolist() == [decision]


@pytest.mark.parametrize("name", SIMILARITIES)
def test_on_a_map_of_one_cell_it_decides_as_kmex_does(backbone, train, name):
    images = train.batch(torch.arange(60)).images[:, :, :8, :8]  # one cell at the last block
    assert backbone.features(images).shape[2:] == (1, 1)
    z = backbone.embed(images)
    prototypes = Prototypes(z[:20] + torch.rand(20, z.shape[1], generator=generator(0, "noise")), torch.arange(20) % 10)
    patches = KMExPatchesModel(backbone, prototypes, KMExPatches(similarity=name))
    whole = KMExModel(backbone, prototypes, KMEx(similarity=name))
    found, expected = patches(images), whole(images)
    torch.testing.assert_close(found.similarities, expected.similarities)
    assert torch.equal(found.predictions, expected.predictions)
    assert len(found.predictions.unique()) > 1
    assert torch.equal(found.class_scores, F.one_hot(expected.predictions, 10).float())
    torch.testing.assert_close(
        patches.head_relevance(z[:, :, None, None])[:, :, 0, 0],
        whole.head_relevance(z) / whole.class_probabilities(expected).gather(1, expected.predictions[:, None]),
        rtol=1e-3,
        atol=1e-5,
    )


# --- beside B4 -------------------------------------------------------------------------------------------------------


class UnitCells(nn.Module):
    """Divides each cell of a feature map by its length."""

    def forward(self, features):
        return features / features.square().sum(1, keepdim=True).sqrt()


def test_b4_is_patch_level_kmex_on_cells_of_unit_norm(backbone, train, images):
    """With ``scaling="none"`` the two differ by the unit norm alone."""
    *blocks, last = backbone.blocks
    normed = freeze(Backbone([*blocks, nn.Sequential(last, UnitCells())], backbone.classifier))
    patches = KMExPatches().fit(normed, train, generator=generator(7, "fit"))
    b4 = B4(scaling="none").fit(backbone, train, generator=generator(7, "fit"))
    torch.testing.assert_close(patches.prototypes.vectors, b4.prototypes.vectors, rtol=1e-4, atol=1e-6)
    assert torch.equal(patches.prototypes.classes, b4.prototypes.classes)
    found, expected = patches(images), b4(images)
    assert torch.equal(found.class_scores, expected.class_scores)
    assert torch.equal(found.predictions, expected.predictions)
    torch.testing.assert_close(found.similarities, expected.similarities)
    torch.testing.assert_close(found.similarity_maps.float(), expected.similarity_maps)


def test_b4_scaled_by_the_root_mean_square_decides_as_patch_level_kmex(model, backbone, images):
    scale = 0.37
    level = Level(scale * model.vectors, torch.tensor([scale]))
    b4 = BlocksModel(backbone, {4: level}, model.classes, B4(scaling="rms"))
    found, expected = b4(images), model(images)
    assert torch.equal(found.class_scores, expected.class_scores)
    assert torch.equal(found.predictions, expected.predictions)
    torch.testing.assert_close(found.similarities, scale * expected.similarities)


# --- relevance -------------------------------------------------------------------------------------------------------


def channels_by_hand(model, point, prototype, rule):
    """Shares of a cell's channels ``(D,)``; rivals are the prototypes of other classes."""
    z, p = point[None], model.vectors[prototype][None]
    rivals = (model.classes != model.classes[prototype])[None]
    shares = {
        "prp": lambda: prp(z, p),
        "neon": lambda: neon(z, p, model.vectors, rivals),
        "contrast": lambda: contrast(z, p, model.vectors, rivals),
        "gxi": lambda: gxi(z, p, lambda a, b: -(a - b).square().sum(1)),  # of any function of the distance the same
    }[rule]()
    return onto_active(shares, z)[0]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("explained", ["nearest", "mean"])
def test_relevance_goes_evenly_to_the_cells_that_vote_and_by_the_rule_to_their_channels(
    model, features, rule, explained
):
    other, few = as_recipe(model, rule=rule, explained=explained), features[:5]
    explanation, targets = other.explain(few), torch.arange(5)
    for chosen in (None, targets):
        found = other.head_relevance(few, chosen)
        for image in range(len(few)):
            target = explanation.predictions[image] if chosen is None else chosen[image]
            points, maps = few[image].flatten(1), explanation.similarity_maps[image].flatten(1)
            expected = torch.zeros_like(points)
            for cell in range(points.shape[1]):
                nearest = int(maps[:, cell].argmax())
                if other.classes[nearest] != target:
                    continue
                own = [nearest] if explained == "nearest" else (other.classes == target).nonzero()[:, 0].tolist()
                parts = [channels_by_hand(other, points[:, cell], j, rule) for j in own]
                expected[:, cell] = sum(parts) / len(parts) / points.shape[1]
            torch.testing.assert_close(found[image].flatten(1), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("explained", ["nearest", "mean"])
def test_the_head_conserves_the_share_of_votes(model, features, rule, explained):
    other = as_recipe(model, rule=rule, explained=explained)
    scores = other.explain(features).class_scores
    for targets in (scores.argmax(1), torch.arange(len(features)) % 10):
        relevance = other.head_relevance(features, targets)
        spread = float(relevance.abs().sum((1, 2, 3)).max())
        expected = scores.gather(1, targets[:, None])[:, 0]
        torch.testing.assert_close(relevance.sum((1, 2, 3)), expected, rtol=1e-3, atol=1e-5 * (1 + spread))


@pytest.mark.parametrize("name", [name for name in SIMILARITIES if name != "cosine"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_explains_every_similarity(model, features, images, name, rule):
    other = as_recipe(model, rule=rule, similarity=name)
    explanation, relevance = other.explain(features), other.head_relevance(features)
    spread = float(relevance.abs().sum((1, 2, 3)).max())
    expected = explanation.class_scores.gather(1, explanation.predictions[:, None])[:, 0]
    torch.testing.assert_close(relevance.sum((1, 2, 3)), expected, rtol=1e-3, atol=1e-5 * (1 + spread))
    assert bool(torch.isfinite(other.attribute(images[:2])).all())


def test_without_biases_the_map_sums_to_the_decided_class_s_score(model, images, features):
    other = as_recipe(model, bias="zero")
    relevance, explanation = other.attribute(images), other(images)
    spread = float(other.head_relevance(features).abs().sum((1, 2, 3)).max())
    expected = explanation.class_scores.gather(1, explanation.predictions[:, None])[:, 0]
    # the stabiliser of the rules keeps a little where a channel is all but off
    torch.testing.assert_close(relevance.sum((1, 2)), expected, rtol=5e-3 * (1 + spread), atol=0)


def test_a_cell_that_is_off_has_a_vote_but_no_relevance():
    model = hand_made([[0.0, 0.0], [4.0, 0.0]], [0, 1])
    features = row_of_cells([0.0, 0.0], [1.0, 0.0])
    assert model(features).class_scores.tolist() == [[1.0, 0.0]]
    assert model.head_relevance(features)[0, :, 0].T.tolist() == [[0.0, 0.0], [0.5, 0.0]]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_can_be_asked_for(model, images, rule):
    assert rule in model.rules
    assert torch.equal(model.attribute_by(rule, images[:3]), as_recipe(model, rule=rule).attribute(images[:3]))
    with pytest.raises(NotOffered, match="has no rule 'gxi'"):
        as_recipe(model, similarity="cosine").attribute_by("gxi", images[:3])


def test_relevance_of_a_prototype_is_prp_in_its_most_similar_cell(model, features):
    picks = torch.arange(len(features)) % 20
    relevance, maps = model.prototype_relevance(features, picks), model.explain(features).similarity_maps
    for image, prototype in enumerate(picks.tolist()):
        points = features[image].flatten(1)
        cell = int(maps[image, prototype].flatten().argmax())
        expected = torch.zeros_like(points)
        expected[:, cell] = channels_by_hand(model, points[:, cell], prototype, "prp")
        torch.testing.assert_close(relevance[image].flatten(1), expected)
