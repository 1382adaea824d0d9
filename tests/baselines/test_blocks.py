"""B4, B234 and their kin against loops over cells, straight from the equations."""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.resnet import resnet34
from sembench.errors import FitImpossible
from sembench.plugins.registry import EXPLAINERS
from sembench.seeding import generator, isolated
from sembench.types import as_points, in_pixels
from sembench_baselines import blocks
from sembench_baselines.blocks import (
    B4,
    B234,
    Blocks,
    BlocksModel,
    Level,
    block_scales,
    composite_activation,
    named,
    segment_means,
)

SCALINGS = ["none", "dimension", "rms"]


def fit(recipe, backbone, train):
    return recipe.fit(backbone, train, generator=generator(7, "fit"))


def normal(name, *shape):
    return torch.randn(*shape, generator=generator(0, name))


@pytest.fixture(scope="module")
def b4(backbone, train):
    return fit(B4(), backbone, train)


@pytest.fixture(scope="module")
def b234(backbone, train):
    return fit(B234(), backbone, train)


# --- composite activation (Eqs. 6-8) ---------------------------------------------------------------------------------


def resized(activation, size):
    return F.interpolate(activation.double(), size=size, mode="bilinear", align_corners=False).numpy()


def length_of(cell):
    return math.sqrt(sum(float(value) ** 2 for value in cell))


def lengths_by_hand(maps):
    """The root mean square length of each block's cells, at the first map's size."""
    size, result = tuple(maps[0].shape[2:]), []
    for activation in maps:
        cells = resized(activation, size).transpose(0, 2, 3, 1).reshape(-1, activation.shape[1])
        result.append(math.sqrt(sum(length_of(cell) ** 2 for cell in cells) / len(cells)))
    return result


def composite_by_hand(maps, scaling, lengths=None):
    """Cell by cell: interpolate to the first map's size, normalise, scale, put one after the other."""
    size, first = tuple(maps[0].shape[2:]), maps[0].shape[1]
    images = len(maps[0])
    result = np.zeros((images, sum(m.shape[1] for m in maps), *size))
    start = 0
    for place, activation in enumerate(maps):
        channels, values = activation.shape[1], resized(activation, size)
        for n, y, x in itertools.product(range(images), range(size[0]), range(size[1])):
            cell = values[n, :, y, x]
            length = lengths[place] if scaling == "rms" else length_of(cell)
            scale = (1 + first) / (1 + channels) if scaling == "dimension" else 1
            if length > 0:
                result[n, start : start + channels, y, x] = scale * cell / length
        start += channels
    return result


def composite(maps, scaling):
    """As a fit makes it whose training cells are those of these maps, all of them."""
    channels, unit = [m.shape[1] for m in maps], scaling != "rms"
    rows = as_points(composite_activation(maps, unit=unit))
    return composite_activation(maps, block_scales(scaling, channels, rows.tensor_split([3, 7])), unit=unit)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_composite_is_what_the_equations_give_cell_by_cell(scaling, count):
    maps = [normal("a", 2, 4, 7, 6), 9 * normal("b", 2, 6, 4, 3), normal("c", 2, 9, 2, 2)][:count]
    expected = composite_by_hand(maps, scaling, lengths_by_hand(maps))
    np.testing.assert_allclose(composite(maps, scaling).numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("scaling", "first", "second"),
    [
        ("none", [1, 0, 0, 0, 0.6, 0.8, 0], [0, 1, 0, 0, 0.6, 0.8, 0]),
        ("dimension", [1, 0, 0, 0, 0.3, 0.4, 0], [0, 1, 0, 0, 0.3, 0.4, 0]),  # (1 + 2) / (1 + 5)
        ("rms", [1.4, 0, 0, 0, 0.6, 0.8, 0], [0, 0.2, 0, 0, 0.6, 0.8, 0]),  # root of (49 + 1) / 2, and 5
    ],
)
def test_two_cells_of_two_blocks_under_each_scaling(scaling, first, second):
    """Cells (7, 0) and (0, 1) of the shallow block; the deep one has a single cell, (0, 0, 3, 4, 0)."""
    shallow, deep = torch.tensor([[[[7.0, 0.0]], [[0.0, 1.0]]]]), torch.tensor([0.0, 0.0, 3.0, 4.0, 0.0])
    found = as_points(composite([shallow, deep[None, :, None, None]], scaling))
    torch.testing.assert_close(found, torch.tensor([first, second], dtype=torch.float32))


@pytest.mark.parametrize(
    ("scaling", "golden"),
    [
        ("none", [-0.686, -0.022, 0.727, 0.316, 0.269, -0.669, 0.605, -0.122]),
        ("dimension", [-0.686, -0.022, 0.727, 0.211, 0.180, -0.446, 0.403, -0.081]),
        ("rms", [-0.230, -0.007, 0.244, 0.212, 0.181, -0.449, 0.406, -0.082]),
    ],
)
def test_a_cell_of_the_composite_is_this(scaling, golden):
    maps = [torch.arange(48.0).sin().view(1, 3, 4, 4), 3 * torch.arange(20.0).cos().view(1, 5, 2, 2)]
    assert composite(maps, scaling)[0, :, 1, 2].tolist() == pytest.approx(golden, abs=1e-3)


def test_blocks_are_equal_by_default():
    assert Blocks().scaling == "none"
    maps = [normal("a", 1, 4, 4, 4), normal("b", 1, 6, 2, 2)]
    torch.testing.assert_close(composite(maps, "none"), composite_activation(maps), rtol=0, atol=0)


def test_scaling_by_dimension_weighs_blocks_of_resnet34_1_and_129_257_and_129_513():
    maps = [normal("a", 2, 128, 8, 8), normal("b", 2, 256, 4, 4), normal("c", 2, 512, 2, 2)]
    parts = composite(maps, "dimension").split([128, 256, 512], 1)
    for part, weight in zip(parts, [1.0, 129 / 257, 129 / 513], strict=True):
        torch.testing.assert_close(part.norm(dim=1), torch.full((2, 8, 8), weight))


@pytest.mark.parametrize("scaling", ["none", "rms"])
def test_blocks_of_equal_weight_have_cells_of_mean_squared_length_one(scaling):
    maps = [5 * normal("a", 2, 128, 8, 8), normal("b", 2, 256, 4, 4), 0.1 * normal("c", 2, 512, 2, 2)]
    for part in composite(maps, scaling).split([128, 256, 512], 1):
        assert float(part.square().sum(1).mean()) == pytest.approx(1, rel=1e-5)


def test_the_root_mean_square_of_cells_of_unit_length_is_one_and_would_change_nothing():
    maps = [normal("a", 2, 4, 7, 6), 9 * normal("b", 2, 6, 4, 3)]
    rows = as_points(composite_activation(maps))
    torch.testing.assert_close(block_scales("rms", [4, 6], [rows]), torch.ones(2))


def test_a_block_that_is_off_throughout_stays_zero():
    maps = [normal("a", 1, 4, 4, 4), torch.zeros(1, 6, 2, 2)]
    for scaling in SCALINGS:
        found = composite(maps, scaling)
        assert not found[:, 4:].any()
        assert bool(torch.isfinite(found).all())


def test_b234_of_a_resnet34_has_these_channels():
    with isolated(0):
        backbone = freeze(resnet34(3))
    with torch.no_grad():
        maps = backbone.feature_maps(torch.zeros(1, 3, 33, 33))
    assert [m.shape[1] for m in maps[1:]] == [128, 256, 512]


@pytest.mark.parametrize("max_rows", [100_000, 400])
def test_root_mean_squares_are_those_of_the_rows_that_k_means_gets_and_are_restored(
    backbone, train, images, clustered, max_rows
):
    recipe = Blocks(first=2, scaling="rms", prototypes_per_class=2, max_rows=max_rows)
    model = fit(recipe, backbone, train)
    for level, rows in zip((2, 3), clustered, strict=True):
        channels = [64, 128, 256][level - 2 :]
        for block in torch.cat(rows).double().split(channels, 1):
            assert math.sqrt(block.square().sum(1).mean()) == pytest.approx(1, rel=1e-4)
    if max_rows == 100_000:
        with torch.no_grad():
            maps = backbone.feature_maps(train.batch(torch.arange(len(train))).images)[1:]
        assert (1 / model.get_buffer("scales2")).tolist() == pytest.approx(lengths_by_hand(maps), rel=1e-4)
    again = recipe.restore(backbone, model.fitted_state())
    assert torch.equal(again(images).similarity_maps, model(images).similarity_maps)
    assert torch.equal(again.attribute(images), model.attribute(images))


def test_cells_of_zeros_stay_zero_and_do_no_harm_to_others():
    shallow, deep = normal("a", 1, 4, 4, 4), torch.zeros(1, 6, 2, 2)
    shallow[:, :, 1, 2] = 0
    found = composite_activation([shallow, deep])
    assert not found[:, 4:].any()
    assert not found[:, :, 1, 2].any()
    assert bool(torch.isfinite(found).all())
    lengths = found.norm(dim=1)[0]
    lengths[1, 2] += 1
    torch.testing.assert_close(lengths, torch.ones(4, 4))


def test_the_composite_of_unit_cells_does_not_depend_on_the_length_of_activations():
    maps = [normal("a", 2, 4, 4, 4), normal("b", 2, 6, 2, 2)]
    longer = [100 * maps[0], 0.01 * maps[1]]
    torch.testing.assert_close(composite_activation(longer), composite_activation(maps))


# --- segment means ---------------------------------------------------------------------------------------------------


def segment_means_by_hand(values, segments):
    result = np.zeros(values.shape)
    for n, y, x in np.ndindex(*values.shape):
        cells = np.ndindex(*values.shape[1:])
        same = [float(values[n, i, j]) for i, j in cells if segments[n, i, j] == segments[n, y, x]]
        result[n, y, x] = sum(same) / len(same)
    return result


def test_each_value_becomes_the_mean_of_its_segment_in_its_image():
    values = normal("values", 3, 5, 4)
    segments = torch.randint(6, (3, 5, 4), generator=generator(0, "segments"))
    found = segment_means(values, segments, 9)
    np.testing.assert_allclose(found.numpy(), segment_means_by_hand(values, segments), rtol=1e-5, atol=1e-6)


def test_one_segment_gives_the_mean_and_one_segment_a_cell_gives_the_values():
    values = normal("values", 2, 3, 3)
    whole = segment_means(values, torch.zeros(2, 3, 3, dtype=torch.int64), 4)
    torch.testing.assert_close(whole, values.mean((1, 2))[:, None, None].expand(2, 3, 3))
    alone = segment_means(values, torch.arange(9).view(1, 3, 3).expand(2, 3, 3), 9)
    torch.testing.assert_close(alone, values)


def test_images_do_not_share_segments():
    values = torch.tensor([[[1.0, 3.0]], [[10.0, 30.0]]])
    found = segment_means(values, torch.zeros(2, 1, 2, dtype=torch.int64), 1)
    assert found.tolist() == [[[2.0, 2.0]], [[20.0, 20.0]]]


# --- explanation map and class scores (Eqs. 9-10) --------------------------------------------------------------------


def nearest_by_hand(composite, vectors):
    """Distances of all cells to all prototypes, and the nearest prototype of every cell."""
    images, _, height, width = composite.shape
    distances = np.zeros((images, len(vectors), height, width))
    for n, j, y, x in np.ndindex(*distances.shape):
        distances[n, j, y, x] = np.linalg.norm(composite[n, :, y, x] - vectors[j])
    return distances, distances.argmin(1)


@pytest.mark.parametrize("name", ["b4", "b234"])
def test_maps_scores_and_decisions_are_what_loops_over_cells_give(name, backbone, images, request):
    model = request.getfixturevalue(name)
    few = images[::4]
    with torch.no_grad():
        explanation = model(few)
        explanation_map = model.explanation_map(few)
        maps = backbone.feature_maps(few)[model.recipe.first - 1 :]
    composite = composite_by_hand(maps, "none")
    distances, nearest = nearest_by_hand(composite, model.prototypes.vectors.double().numpy())
    np.testing.assert_allclose(explanation.similarity_maps.numpy(), -distances, rtol=1e-4, atol=1e-5)
    assert explanation_map.tolist() == nearest.tolist()
    np.testing.assert_allclose(explanation.embeddings.numpy(), composite, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(explanation.similarities.numpy(), -distances.mean((2, 3)), rtol=1e-4, atol=1e-5)
    classes = model.prototypes.classes.tolist()
    for n, scores in enumerate(explanation.class_scores.tolist()):
        votes = [classes[j] for j in nearest[n].flatten()]
        assert scores == pytest.approx([votes.count(k) / len(votes) for k in range(10)])
        best = max(scores)
        tied = [k for k in range(10) if scores[k] > best - 1e-6]
        assert int(explanation.predictions[n]) in tied
    assert torch.equal(model.probabilities(few), explanation.class_scores)


def hand_made(prototypes, classes, n_classes, recipe=None):
    """A model on images that are feature maps themselves: every block hands them on."""
    size = len(prototypes[0])
    backbone = freeze(Backbone([nn.Identity()] * 4, nn.Linear(size, n_classes)))
    recipe = recipe or Blocks(first=4, last=4)
    level = Level(torch.tensor(prototypes), torch.ones(1))
    return BlocksModel(backbone, {recipe.first: level}, torch.tensor(classes), recipe)


def at_angles(*degrees):
    """A feature map of one row of cells, each a direction in the plane."""
    radians = [math.radians(angle) for angle in degrees]
    return torch.tensor([[[math.cos(r) for r in radians]], [[math.sin(r) for r in radians]]])[None]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize(
    ("angles", "closer"),
    [
        ([40, 80], 1),  # one vote each; to the prototype at 0 degrees 40 and 80, to the one at 90 degrees 50 and 10
        ([10, 50], 0),
    ],
)
def test_a_tie_goes_to_the_class_with_the_smaller_summed_distance(order, angles, closer):
    model = hand_made([[1.0, 0.0], [0.0, 1.0]], order, 2)
    explanation = model(at_angles(*angles))
    assert explanation.class_scores.tolist() == [[0.5, 0.5]]
    assert explanation.predictions.tolist() == [order[closer]]


def test_distances_do_not_overrule_votes():
    model = hand_made([[1.0, 0.0], [0.0, 1.0]], [0, 1], 2)
    explanation = model(at_angles(44, 44, 90))  # two votes that hardly prefer class 0, and one far from it
    torch.testing.assert_close(explanation.class_scores, torch.tensor([[2 / 3, 1 / 3]]))
    assert explanation.predictions.tolist() == [0]


def test_a_class_without_votes_cannot_win_a_tie():
    model = hand_made([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [0, 1, 2], 3)
    explanation = model(at_angles(0, 90))  # class 2 lies between both cells and is the nearest to none
    assert explanation.class_scores.tolist() == [[0.5, 0.5, 0.0]]
    assert explanation.predictions.tolist() == [0]


def test_votes_for_any_prototype_of_a_class_count_for_the_class():
    model = hand_made([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0, 1, 1], 2)
    explanation = model(at_angles(0, 85, 175, 95))
    assert explanation.class_scores.tolist() == [[0.25, 0.75]]
    assert explanation.predictions.tolist() == [1]


# --- attribution (Eq. 11) --------------------------------------------------------------------------------------------


def upsampled(values, size):
    maps = torch.as_tensor(values)[:, None]
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)[:, 0].numpy()


def attribution_by_hand(model, maps, weight, targets, size):
    """``a_k`` cell by cell; then, one depth at a time, upsampled and averaged within the segments."""
    last = maps[-1].double().numpy()
    relevance = np.zeros((len(last), *last.shape[2:]))
    for n, y, x in np.ndindex(*relevance.shape):
        column = weight[targets[n]].double().numpy()
        relevance[n, y, x] = last[n, :, y, x] @ column / (column @ column)
    for level in range(3, model.recipe.first - 1, -1):
        lengths = (1 / model.get_buffer(f"scales{level}")).tolist()
        composite = composite_by_hand(maps[level - 1 : 4], model.recipe.scaling, lengths)
        _, nearest = nearest_by_hand(composite, model.vectors_from(level).double().numpy())
        relevance = segment_means_by_hand(upsampled(relevance, nearest.shape[1:]), nearest)
    return in_pixels(torch.as_tensor(relevance), size).numpy()


@pytest.mark.parametrize("first", [4, 3, 2, 1])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_attribution_is_what_the_equation_gives_depth_by_depth(backbone, train, images, first, scaling):
    model = fit(Blocks(first=first, scaling=scaling, prototypes_per_class=2, max_rows=800), backbone, train)
    few = images[::7]
    with torch.no_grad():
        found = model.attribute(few)
        maps = backbone.feature_maps(few)
        targets = backbone(few).argmax(1)
    expected = attribution_by_hand(model, maps, backbone.classifier.weight, targets, few.shape[2:])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_attribution_of_b4_is_the_projection_on_the_classifier_s_column_upsampled(b4, backbone, images):
    with torch.no_grad():
        features = backbone.features(images)
        columns = backbone.classifier.weight[backbone(images).argmax(1)]
        found = b4.attribute(images)
    plain = (features * columns[:, :, None, None]).sum(1) / columns.square().sum(1)[:, None, None]
    assert found.shape == (len(images), *images.shape[2:])
    np.testing.assert_allclose(found.numpy(), in_pixels(plain, images.shape[2:]).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [3, 2, 1])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_pixels_of_the_same_segment_share_one_score(backbone, train, images, first, scaling):
    """[C]: "pixels within the same segment share an identical attribution score"."""
    model = fit(Blocks(first=first, scaling=scaling, prototypes_per_class=2, max_rows=800), backbone, train)
    with torch.no_grad():
        segments, scores = in_pixels(model.explanation_map(images), images.shape[2:]), model.attribute(images)
    assert max(len(of.unique()) for of in segments) > 1
    for mine, of in zip(scores, segments, strict=True):
        for prototype in of.unique():
            assert len(mine[of == prototype].unique()) == 1


def test_the_relevance_of_a_prototype_is_its_segment(b234, images):
    with torch.no_grad():
        segments = in_pixels(b234.explanation_map(images), images.shape[2:])
        found = b234.attribute_prototypes(images, segments[:, 5, 5])
    assert torch.equal(found, (segments == segments[:, 5:6, 5:6]).float())


def test_blocks_show_their_own_attribution(b4):
    assert b4.explains_by == "class"


def test_the_attribution_explains_the_black_box_s_class_by_default(b234, backbone, images):
    with torch.no_grad():
        black_box = backbone(images).argmax(1)
        own = b234(images).predictions
    assert not torch.equal(black_box, own)
    assert torch.equal(b234.attribute(images), b234.attribute(images, black_box))
    assert not torch.equal(b234.attribute(images), b234.attribute(images, own))


def test_the_attribution_takes_no_gradient(b234, images):
    with torch.inference_mode():
        found = b234.attribute(images)
    assert torch.equal(found, b234.attribute(images))


def test_b234_keeps_the_prototypes_of_b34_and_of_itself(b234, b4):
    assert b4.levels == (4,)
    assert b234.levels == (2, 3)
    assert b234.vectors_from(2).shape == (50, 64 + 128 + 256)
    assert b234.vectors_from(3).shape == (50, 128 + 256)
    assert torch.equal(b234.prototypes.vectors, b234.vectors_from(2))


def test_a_composite_that_ends_before_the_last_block_leaves_deeper_blocks_out(backbone, train, images):
    """b23: the map of the last block goes up through the segments of block 3, then through those of blocks 2 and 3."""
    model = fit(Blocks(first=2, last=3, prototypes_per_class=2), backbone, train)
    assert model.levels == (2, 3)
    assert model.prototypes.vectors.shape == (20, 64 + 128)
    few = images[::7]
    with torch.no_grad():
        found = model.attribute(few)
        maps = backbone.feature_maps(few)
        targets = backbone(few).argmax(1)
    columns = backbone.classifier.weight[targets].double()
    relevance = torch.einsum("bdhw,bd->bhw", maps[3].double(), columns / columns.square().sum(1, keepdim=True)).numpy()
    for level in (3, 2):
        composite = composite_by_hand(maps[level - 1 : 3], "none")
        _, nearest = nearest_by_hand(composite, model.vectors_from(level).double().numpy())
        relevance = segment_means_by_hand(upsampled(relevance, nearest.shape[1:]), nearest)
    expected = in_pixels(torch.as_tensor(relevance), few.shape[2:]).numpy()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


# --- fit -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clustered(monkeypatch):
    """What was given to k-means, one entry per level: the rows of each class."""
    seen = []
    original = blocks.classwise_kmeans

    def spy(points, *args, **options):
        seen.append([rows.clone() for rows in points])
        return original(points, *args, **options)

    monkeypatch.setattr(blocks, "classwise_kmeans", spy)
    return seen


def cells_of(backbone, train, recipe):
    """All cells of the composite of each class, images in order."""
    with torch.no_grad():
        maps = backbone.feature_maps(train.batch(torch.arange(len(train))).images)
        cells = recipe.composite(maps, recipe.first)
    return [cells[train.labels == k].permute(0, 2, 3, 1).flatten(0, 2) for k in range(train.n_classes)]


def test_prototypes_are_means_of_the_cells_nearest_to_them(b4, backbone, train):
    for label, cells in enumerate(cells_of(backbone, train, B4())):
        centres = b4.prototypes.vectors[b4.prototypes.classes == label]
        nearest = torch.cdist(cells.double(), centres.double()).argmin(1)
        for j, centre in enumerate(centres):
            torch.testing.assert_close(cells[nearest == j].mean(0), centre, rtol=1e-3, atol=1e-4)


def test_all_cells_are_used_where_they_fit(backbone, train, clustered):
    expected = cells_of(backbone, train, B4())
    exact = sum(len(cells) for cells in expected)
    for max_rows in (100_000, exact):
        fit(B4(max_rows=max_rows), backbone, train)
        for found, cells in zip(clustered.pop(), expected, strict=True):
            torch.testing.assert_close(found, cells, rtol=1e-5, atol=1e-6)


def test_all_cells_are_used_where_they_fit_even_if_classes_differ_in_size(backbone, train, clustered):
    """The bound is on all classes together: a large class may use what small classes leave."""
    kept = (train.labels == 0) | (torch.arange(len(train)) < 60)
    uneven = dataclasses.replace(train, pixels=train.pixels[kept], labels=train.labels[kept])
    expected = cells_of(backbone, uneven, B4())
    fit(B4(max_rows=sum(len(cells) for cells in expected)), backbone, uneven)
    for found, cells in zip(clustered.pop(), expected, strict=True):
        assert len(found) == len(cells)


def test_what_small_classes_leave_of_the_bound_is_shared_by_the_large_ones(backbone, train, clustered):
    kept = (train.labels < 2) | (torch.arange(len(train)) < 60)  # 12 images of two classes, 6 of the others
    uneven = dataclasses.replace(train, pixels=train.pixels[kept], labels=train.labels[kept])
    assert torch.bincount(uneven.labels).tolist() == [12, 12] + [6] * 8
    fit(B4(max_rows=271), backbone, uneven)
    assert [len(rows) for rows in clustered.pop()] == [39, 39] + [24] * 8
    fit(B4(max_rows=239), backbone, uneven)
    assert [len(rows) for rows in clustered.pop()] == [23] * 10


def test_a_sample_is_bounded_and_every_row_is_a_cell_of_its_class(backbone, train, clustered):
    fit(B4(max_rows=203), backbone, train)
    for found, cells in zip(clustered.pop(), cells_of(backbone, train, B4()), strict=True):
        assert len(found) == 20
        apart = torch.cdist(found, cells, compute_mode="donot_use_mm_for_euclid_dist")
        assert apart.amin(1).max() < 1e-5
        assert len(apart.argmin(1).unique()) == 20  # without replacement


def test_a_sample_of_several_depths_is_bounded_at_each(backbone, train, clustered):
    fit(B234(max_rows=200), backbone, train)
    assert len(clustered) == 2
    assert {len(rows) for level in clustered for rows in level} == {20}


def test_a_sample_depends_on_the_seed_alone(backbone, train):
    recipe = B4(max_rows=200)
    first, again = (fit(recipe, backbone, train).prototypes.vectors for _ in range(2))
    assert torch.equal(first, again)
    other = recipe.fit(backbone, train, generator=generator(8, "fit")).prototypes.vectors
    assert not torch.equal(first, other)


def test_a_sample_too_small_for_the_prototypes_is_refused(backbone, train):
    with pytest.raises(FitImpossible, match="max_rows"):
        fit(B4(max_rows=40), backbone, train)


@pytest.mark.parametrize(("size", "max_rows"), [(7, 150), (50, 150), (7, 100_000)])
def test_the_batches_of_the_fit_do_not_change_the_result(backbone, train, monkeypatch, size, max_rows):
    recipe = Blocks(first=3, prototypes_per_class=2, max_rows=max_rows)
    expected = fit(recipe, backbone, train)
    monkeypatch.setattr(blocks, "_FIT_BATCH", size)
    found = fit(recipe, backbone, train)
    torch.testing.assert_close(found.prototypes.vectors, expected.prototypes.vectors, rtol=1e-4, atol=1e-5)


def test_classes_may_have_different_numbers_of_prototypes(backbone, train, images):
    counts = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1]
    model = fit(B4(prototypes_per_class=counts), backbone, train)
    assert torch.bincount(model.prototypes.classes).tolist() == counts
    torch.testing.assert_close(model(images).class_scores.sum(1), torch.ones(len(images)))


def test_bisecting_works_too(backbone, train, b4):
    model = fit(B4(flavour="bisecting"), backbone, train)
    assert model.prototypes.vectors.shape == b4.prototypes.vectors.shape
    assert not torch.equal(model.prototypes.vectors, b4.prototypes.vectors)


def test_similarities_between_prototypes_are_exact_distances(b234):
    found = b234.prototype_similarities()
    rows = b234.prototypes.vectors.double().numpy()
    assert found.dtype == torch.float64
    assert not found.diagonal().any()
    np.testing.assert_allclose(found.numpy(), [[-math.dist(a, b) for b in rows] for a in rows], rtol=1e-12)


def test_blocks_are_compared_cell_by_cell(b4):
    assert b4.points == "cell"


# --- names and errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("b4", 4, 4), ("b34", 3, 4), ("b234", 2, 4), ("b1234", 1, 4), ("b2", 2, 2), ("b23", 2, 3), ("b1", 1, 1)],
)
def test_a_name_says_which_blocks(name, first, last):
    assert named(name)() == Blocks(first=first, last=last)


def test_a_name_takes_other_hyperparameters_too():
    assert named("b34")(prototypes_per_class=3) == Blocks(first=3, last=4, prototypes_per_class=3)


@pytest.mark.parametrize("name", ["b43", "bx", "b", "b44", "b24", "B4", "b4 ", "xb4", "b04", "b10", "", "4", "b4x"])
def test_names_that_are_no_run_of_blocks_are_unknown(name):
    with pytest.raises(LookupError):
        named(name)


def test_b4_and_b234_are_the_published_ones():
    assert B4() == Blocks(first=4, last=4)
    assert B234() == Blocks(first=2, last=4)
    assert B4().prototypes_per_class == 5
    assert isinstance(B4, functools.partial)


def test_the_registry_finds_every_run_of_blocks():
    assert EXPLAINERS.get("b34")() == Blocks(first=3, last=4)


@pytest.mark.parametrize("name", ["b5", "b45", "b2345"])
def test_blocks_that_the_network_does_not_have_are_refused_with_their_number(backbone, train, name):
    with pytest.raises(FitImpossible, match="ends at block 5, but this backbone has 4 blocks"):
        fit(named(name)(), backbone, train)


@pytest.mark.parametrize(("first", "last"), [(0, 4), (4, 3), (-1, 2)])
def test_blocks_in_the_wrong_order_are_refused(first, last):
    with pytest.raises(FitImpossible, match=f"blocks run from {first} to {last}"):
        Blocks(first=first, last=last)


def test_an_unknown_scaling_is_refused_with_what_is_accepted():
    with pytest.raises(FitImpossible, match="scaling is 'sqrt'; accepted are none, dimension, rms"):
        Blocks(scaling="sqrt")


def test_an_unknown_flavour_is_refused_with_what_is_accepted(backbone, train):
    with pytest.raises(FitImpossible, match=r"flavour.* 'kmedoids'; accepted are kmeans, bisecting"):
        fit(B4(flavour="kmedoids"), backbone, train)


def test_a_class_without_images_is_refused_by_its_number(backbone, train):
    kept = train.labels != 6
    fewer = dataclasses.replace(train, pixels=train.pixels[kept], labels=train.labels[kept])
    with pytest.raises(FitImpossible, match="class 6 has no training image"):
        fit(B4(), backbone, fewer)
