import math

import pytest
import torch

from sembench.errors import UnknownName
from sembench.similarity import (
    SIMILARITIES,
    distances,
    largest_per_class,
    similarity,
    similarity_maps,
    sum_per_class,
)

NAMES = sorted(SIMILARITIES)
BY_DISTANCE = ["distance", "squared", "exp", "log", "log2"]


def random_points(points=6, prototypes=4, dimension=5, seed=0, dtype=torch.float64):
    source = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, dimension, generator=source, dtype=dtype) for n in (points, prototypes))


def between(name, z, p):
    return similarity(name)(torch.tensor([z]).double(), torch.tensor([p]).double()).item()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("distance", -5),
        ("squared", -25),
        ("l1", -7),
        ("exp", math.exp(-5)),
        ("log", math.log(6 / 5.0001)),
        ("log2", math.log(26 / 25.0001)),
        ("dot", 1 * 4 + 2 * 6),
        ("cosine", 16 / math.sqrt(5 * 52)),
        ("ned", -0.5 * 0.25 / (0.25 + 1)),
    ],
)
def test_similarity_of_a_three_four_five_triangle_is_known(name, expected):
    assert between(name, [1.0, 2.0], [4.0, 6.0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("distance", 0),
        ("squared", 0),
        ("l1", 0),
        ("exp", 1),
        ("log", math.log(1e4)),
        ("log2", math.log(1e4)),
        ("ned", 0),
    ],
)
def test_similarity_of_a_point_with_itself_is_known(name, expected):
    assert between(name, [1.0, -3.0, 2.0], [1.0, -3.0, 2.0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [*BY_DISTANCE, "l1", "cosine", "ned"])
def test_a_prototype_is_most_similar_to_itself(name):
    _, prototypes = random_points(prototypes=40)
    own = similarity(name)(prototypes, prototypes)
    assert own.argmax(1).tolist() == list(range(40))


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_the_closer_prototype_is_the_more_similar_one(name):
    values = [between(name, [0.0], [distance]) for distance in (0.0, 0.1, 1.0, 3.0, 20.0)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 5


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_similarities_by_distance_rank_prototypes_alike(name):
    points, prototypes = random_points()
    ranks = similarity(name)(points, prototypes).argsort(1)
    assert torch.equal(ranks, similarity("distance")(points, prototypes).argsort(1))


@pytest.mark.parametrize("name", ["log", "log2"])
def test_far_prototypes_still_differ_under_the_logarithms_even_for_float32_embeddings(name):
    distances = (300.0, 1000.0, 3000.0)
    values = similarity(name)(torch.zeros(1, 1), torch.tensor(distances)[:, None])[0].tolist()
    squares = [d if name == "log" else d * d for d in distances]
    assert values == pytest.approx([math.log1p((1 - 1e-4) / (d + 1e-4)) for d in squares], rel=1e-5)


def test_opposite_and_orthogonal_vectors_have_the_cosines_that_they_should():
    assert between("cosine", [2.0, 0.0], [-0.1, 0.0]) == pytest.approx(-1)
    assert between("cosine", [2.0, 0.0], [0.0, 9.0]) == 0
    assert between("cosine", [0.0, 0.0], [1.0, 1.0]) == 0


def test_normalised_euclidean_distance_ranges_from_equal_to_opposite():
    assert between("ned", [1.0, -1.0], [1.0, -1.0]) == 0
    assert between("ned", [1.0, -1.0], [-1.0, 1.0]) == pytest.approx(-1)
    assert between("ned", [1.0, -1.0], [0.0, 0.0]) == pytest.approx(-0.5)


def test_normalised_euclidean_distance_ignores_shift_and_common_scale():
    points, prototypes = random_points()
    expected = similarity("ned")(points, prototypes)
    torch.testing.assert_close(similarity("ned")(points + 5, prototypes - 3), expected)
    torch.testing.assert_close(similarity("ned")(100 * points, 100 * prototypes), expected)


@pytest.mark.parametrize("scale", [1e-3, 1e-5, 1e-8])
def test_normalised_euclidean_distance_of_small_embeddings_is_that_of_large_ones(scale):
    points, prototypes = random_points()
    expected = similarity("ned")(points, prototypes)
    torch.testing.assert_close(similarity("ned")(scale * points, scale * prototypes), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [3, 30, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_vectors_are_at_distance_exactly_zero_however_many(name, count, dtype):
    vectors = torch.randn(count, 16, generator=torch.Generator().manual_seed(0), dtype=dtype) + 50
    assert distances(vectors, vectors).diagonal().tolist() == [0] * count
    values = similarity(name)(vectors, vectors)
    assert values.dtype == dtype
    assert bool(torch.isfinite(values).all())


@pytest.mark.parametrize("name", NAMES)
def test_leading_dimensions_are_treated_one_by_one(name):
    source = torch.Generator().manual_seed(0)
    points, prototypes = (torch.randn(2, 3, n, 5, generator=source, dtype=torch.float64) for n in (4, 6))
    values = similarity(name)(points, prototypes)
    assert values.shape == (2, 3, 4, 6)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(values[i, j], similarity(name)(points[i, j], prototypes[i, j]))


@pytest.mark.parametrize("name", NAMES)
def test_the_similarity_of_a_point_does_not_depend_on_its_batch(name):
    points, prototypes = random_points(points=40)
    parts = [similarity(name)(part, prototypes) for part in points.split(7)]
    torch.testing.assert_close(torch.cat(parts), similarity(name)(points, prototypes))


@pytest.mark.parametrize("name", NAMES)
def test_one_point_and_one_prototype_will_do_and_none_too(name):
    points, prototypes = random_points(points=1, prototypes=1)
    assert similarity(name)(points, prototypes).shape == (1, 1)
    assert similarity(name)(points[:0], prototypes).shape == (0, 1)
    assert similarity(name)(points, prototypes[:0]).shape == (1, 0)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_stay_as_they_were(name):
    points, prototypes = random_points()
    copies = points.clone(), prototypes.clone()
    similarity(name)(points, prototypes)
    assert torch.equal(points, copies[0])
    assert torch.equal(prototypes, copies[1])


def test_the_names_are_those_of_the_definitions():
    assert set(NAMES) == {"distance", "squared", "l1", "exp", "log", "log2", "dot", "cosine", "ned"}


def test_l1_and_the_distance_may_prefer_different_prototypes():
    """At (3, 3) from one prototype and (0, 5) from the other: l1 6 and 5, Euclidean 4.24 and 5."""
    point, prototypes = torch.zeros(1, 2), torch.tensor([[3.0, 3.0], [0.0, 5.0]])
    assert similarity("l1")(point, prototypes).tolist() == [[-6, -5]]
    assert similarity("distance")(point, prototypes).argmax(1).tolist() == [0]


def test_l1_of_many_channels_is_exact_in_float64():
    """Sums of quarters have no rounding error."""
    source = torch.Generator().manual_seed(0)
    points, prototypes = (torch.randint(-40, 40, (n, 2000), generator=source) for n in (30, 40))
    exact = (points[:, None] - prototypes).abs().sum(2)
    found = similarity("l1")(points.double() / 4, prototypes.double() / 4)
    assert (-4 * found).tolist() == exact.tolist()


def test_l1_needs_no_memory_for_the_differences_of_all_pairs():
    """As a table of points by prototypes by channels they would take 8 GB."""
    points, prototypes = torch.zeros(20_000, 100), torch.ones(1000, 100)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        similarity("l1")(points, prototypes)
    taken = [event.cpu_memory_usage for event in profile.key_averages()]
    assert 0 < max(taken) < 4 * 20_000 * 1000 * 4


def test_an_unknown_name_is_refused_with_near_matches():
    with pytest.raises(UnknownName, match=r"unknown similarity 'cosin'\. Did you mean 'cosine'"):
        similarity("cosin")


def test_the_largest_similarity_of_each_class_is_found_whatever_the_order_of_classes():
    similarities = torch.tensor([[-3.0, -1.0, -2.0, -5.0], [0.5, 0.1, 0.2, 0.9]])
    scores = largest_per_class(similarities, torch.tensor([1, 0, 1, 0]), 2)
    torch.testing.assert_close(scores, torch.tensor([[-1.0, -2.0], [0.9, 0.5]]))


def test_a_class_without_prototypes_is_never_the_largest():
    scores = largest_per_class(torch.tensor([[-3.0, -1.0]]), torch.tensor([0, 2]), 3)
    assert scores.tolist() == [[-3, -torch.inf, -1]]


def test_values_of_a_class_are_added_up_whatever_the_order_of_classes():
    values = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    torch.testing.assert_close(sum_per_class(values, torch.tensor([1, 0, 1, 2]), 4), torch.tensor([[0.2, 0.4, 0.4, 0]]))


def test_shares_that_sum_to_one_still_do_after_adding_up_by_class():
    shares = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).softmax(1)
    summed = sum_per_class(shares, torch.arange(7) % 3, 3)
    torch.testing.assert_close(summed.sum(1), torch.ones(5))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 3), (1, 16_384, 1), (41, 20, 20)])
def test_similarity_maps_are_the_exact_similarities_rounded(name, shape):
    source = torch.Generator().manual_seed(0)
    size, height, width = shape
    features, prototypes = torch.randn(size, 12, height, width, generator=source), torch.randn(7, 12, generator=source)
    found = similarity_maps(features, prototypes, name)
    assert found.dtype == torch.float32
    cells = features.permute(0, 2, 3, 1).flatten(0, 2)
    exact = similarity(name)(cells.double(), prototypes.double()).float()
    expected = exact.view(size, height, width, 7).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, expected, rtol=5e-7, atol=1e-7)


def test_similarity_maps_of_float64_stay_in_float64():
    """Where ``exp`` would be 0 in float32, so that all prototypes were alike."""
    features = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    found = similarity_maps(features, torch.tensor([[0.0, 200.0], [0.0, 201.0]]), "exp")
    assert found.flatten().tolist() == pytest.approx([math.exp(-200), math.exp(-201)], rel=1e-12)


def test_similarity_maps_refuse_an_unknown_name():
    with pytest.raises(UnknownName, match="unknown similarity 'l3'"):
        similarity_maps(torch.zeros(1, 2, 1, 1), torch.zeros(1, 2), "l3")


def test_cells_next_to_a_prototype_are_told_apart():
    """In float32 a matrix product would see distances below 3e-4 of the norm as noise."""
    prototype = torch.nn.functional.normalize(torch.randn(1, 500, generator=torch.Generator().manual_seed(0)))
    steps = torch.tensor([0.0, 1e-5, 2e-5, 4e-5])
    cells = prototype + steps[:, None] * torch.eye(500)[:1]
    found = -similarity_maps(cells.T[None, :, :, None], prototype)[0, 0, :, 0]
    torch.testing.assert_close(found, steps, rtol=2e-2, atol=1e-7)  # the root of float64's rounding, in any order
