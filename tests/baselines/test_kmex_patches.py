"""Patch-level KMEx against brute force, one cell and one prototype at a time."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from sembench.errors import FitImpossible
from sembench.relevance.prototypes import onto_active, prp
from sembench.types import Prototypes
from sembench_baselines.kmex import KMEx
from sembench_baselines.kmex_patches import KMExPatches, KMExPatchesModel


@pytest.fixture(scope="module")
def model(backbone, train):
    return KMExPatches(prototypes_per_class=2).fit(backbone, train, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def features(backbone, images):
    with torch.no_grad():
        return backbone.features(images)


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


def test_the_nearest_pair_of_cell_and_prototype_decides(model, images, features):
    explanation = model(images)
    for image, cells in enumerate(features.flatten(2).transpose(1, 2).double()):
        d = [[float((cell - p.double()).norm()) for p in model.vectors] for cell in cells]
        nearest = [min(column) for column in zip(*d, strict=True)]
        assert explanation.predictions[image] == model.classes[int(np.argmin(nearest))]
        np.testing.assert_allclose(explanation.similarities[image], [-x for x in nearest], rtol=1e-4)
        weights = np.exp(-np.array(nearest))
        by_class = [weights[(model.classes == k).numpy()].sum() / weights.sum() for k in range(10)]
        np.testing.assert_allclose(model.class_probabilities(explanation)[image], by_class, rtol=1e-3, atol=1e-6)
    assert explanation.similarity_maps.shape == (len(images), 20, *features.shape[2:])


def test_a_single_cell_is_image_level_kmex(backbone, train):
    images = train.batch(torch.arange(6)).images[:, :, :8, :8]  # one cell at the last block
    assert backbone.features(images).shape[2:] == (1, 1)
    prototypes = Prototypes(torch.rand(10, backbone.dimension), torch.arange(10))
    patches = KMExPatchesModel(backbone, prototypes, KMExPatches())
    whole = KMEx().restore(backbone, {"vectors": prototypes.vectors, "classes": prototypes.classes})
    torch.testing.assert_close(patches(images).similarities, whole(images).similarities)
    torch.testing.assert_close(patches.attribute(images), whole.attribute(images))


def test_relevance_goes_to_the_cell_that_decided(model, features):
    relevance = model.head_relevance(features)
    explanation = model.explain(features)
    for image in range(4):
        target = explanation.predictions[image]
        own = (model.classes == target).nonzero()[:, 0]
        prototype = own[explanation.similarities[image, own].argmax()]
        cell = int(explanation.similarity_maps[image, prototype].flatten().argmax())
        point = features[image].flatten(1)[:, cell][None]
        share = onto_active(prp(point, model.vectors[prototype][None]), point)[0]
        probability = model.class_probabilities(explanation)[image, target]
        expected = torch.zeros_like(relevance[image].flatten(1))
        expected[:, cell] = share * probability
        torch.testing.assert_close(relevance[image].flatten(1), expected)


@pytest.mark.parametrize("rule", ["prp", "neon", "gxi"])
@pytest.mark.parametrize("explained", ["nearest", "mean"])
def test_the_head_conserves_relevance(model, features, rule, explained):
    recipe = KMExPatches(rule=rule, explained=explained)
    other = KMExPatchesModel(model.backbone, model.prototypes, recipe)
    targets = torch.arange(len(features)) % 10
    total = other.head_relevance(features, targets).sum((1, 2, 3))
    probabilities = other.class_probabilities(other.explain(features))
    torch.testing.assert_close(total, probabilities.gather(1, targets[:, None])[:, 0], rtol=1e-3, atol=1e-6)


def test_the_mean_over_prototypes_is_the_mean_of_their_maps(model, features):
    """Each prototype alone in its class gives its own map."""
    mean = KMExPatchesModel(model.backbone, model.prototypes, KMExPatches(explained="mean"))
    targets = torch.zeros(len(features), dtype=torch.long)
    probability = mean.class_probabilities(mean.explain(features))[:, :1]
    maps = []
    for prototype in (0, 1):
        single = Prototypes(model.vectors[[prototype, *range(2, 20)]], model.classes[[prototype, *range(2, 20)]])
        one = KMExPatchesModel(model.backbone, single, KMExPatches())
        seed = one.class_probabilities(one.explain(features))[:, :1]
        maps.append(one.head_relevance(features, targets) / seed[:, :, None, None])
    expected = probability[:, :, None, None] * (maps[0] + maps[1]) / 2
    torch.testing.assert_close(mean.head_relevance(features, targets), expected, rtol=1e-3, atol=1e-6)


def test_a_bounded_sample_of_cells_is_used(backbone, train):
    small = KMExPatches(prototypes_per_class=2, max_rows=100)
    fitted = small.fit(backbone, train, generator=torch.Generator().manual_seed(0))
    assert len(fitted.prototypes) == 20
    with pytest.raises(FitImpossible, match="max_rows is 10, which leaves 1 cells for a class of 2"):
        KMExPatches(prototypes_per_class=2, max_rows=10).fit(backbone, train, generator=torch.Generator())
