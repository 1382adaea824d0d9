import numpy as np
import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.comparison.difference import compare, mean_over_datasets
from sembench_leaderboard.entries.selection import method

KMEX, FLINT = method("kmex"), method("flint")


@pytest.fixture
def cells(build):
    """Cells of one metric: scores by entry and seed."""

    def make(metric, scores, **changes):
        return [
            build.result({metric: build.scored(metric, values)}, explainer=name, seed=seed, **changes)
            for name, seeds in scores.items()
            for seed, values in seeds.items()
        ]

    return make


def test_images_are_paired_within_a_seed(cells):
    """The methods differ by exactly .25 on every image; the images differ by much more."""
    images = np.random.default_rng(0).integers(0, 8, 200) / 8
    found = cells(
        "ro_auroc", {"kmex": {0: images / 2 + 0.25, 1: images / 2 + 0.25}, "flint": {0: images / 2, 1: images / 2}}
    )
    own = compare("ro_auroc", KMEX, FLINT, found)
    interval = own.estimate.interval()
    assert (interval.low, interval.high) == (0.25, 0.25)
    assert (own.first, own.second, own.seeds) == ("kmex", "flint", (0, 1))


def test_only_common_seeds_are_compared(cells):
    found = cells("accuracy", {"kmex": {0: [1, 1], 1: [1, 1], 2: [0, 0]}, "flint": {0: [0, 0], 1: [0, 0], 7: [1, 1]}})
    own = compare("accuracy", KMEX, FLINT, found)
    assert (own.seeds, own.estimate.value) == ((0, 1), 1)


def test_prototypes_are_not_paired(cells):
    """Equal lists of scores in the same order: a pairing of prototypes would give an interval without width."""
    scores = list(np.random.default_rng(0).random(40))
    own = compare("diversity", KMEX, FLINT, cells("diversity", {"kmex": {0: scores}, "flint": {0: scores}}))
    interval = own.estimate.interval()
    assert interval.value == 0
    expected = 2 * 1.96 * np.std(scores) * np.sqrt(2 / 40)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_seeds_of_prototype_scores_are_paired(cells):
    """Seeds differ much, methods by .1 in each: with seeds drawn independently the interval would contain 0."""
    scores = {seed: [0.1 + 0.2 * seed] * 10 for seed in range(4)}
    better = {seed: [value + 0.1 for value in values] for seed, values in scores.items()}
    interval = compare(
        "diversity", KMEX, FLINT, cells("diversity", {"kmex": better, "flint": scores})
    ).estimate.interval()
    assert (interval.low, interval.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_prototypes_of_other_numbers_compare(cells):
    own = compare("ghosting", KMEX, FLINT, cells("ghosting", {"kmex": {0: [0, 0, 1]}, "flint": {0: [1] * 10}}))
    assert own.estimate.value == pytest.approx(1 / 3 - 1)


def test_the_quantity_itself_where_there_is_no_second(cells):
    own = compare("ghosting", KMEX, None, cells("ghosting", {"kmex": {0: [0, 1], 1: [0, 0]}}))
    assert (own.estimate.value, own.second) == (0.25, "")


def test_explained_images_that_differ_between_seeds_are_drawn_within_seeds(build):
    def cell(name, seed, values):
        return build.result(
            {"lrp_kl": build.scored("lrp_kl", values)}, explainer=name, seed=seed, explained=[seed, seed + 10]
        )

    found = [cell("kmex", 0, [1, 2]), cell("kmex", 1, [3, 4]), cell("flint", 0, [0, 0]), cell("flint", 1, [0, 0])]
    assert compare("lrp_kl", KMEX, FLINT, found).estimate.value == 2.5


def test_the_range_of_a_mean_curve(build):
    def cell(seed, curve):
        score = build.scored("ro_auroc", [0.5, 0.5], details={"curve": curve})
        return build.result({"ro_auroc": score}, explainer="flint", seed=seed)

    own = compare("ro_auroc", FLINT, None, [cell(0, (0.9, 0.4, 0.5)), cell(1, (0.8, 0.7))], reads="range")
    assert own.estimate.value == pytest.approx(0.3)
    bare = [build.result({"ro_auroc": build.scored("ro_auroc", [0.5])}, explainer="flint")]
    assert compare("ro_auroc", FLINT, None, bare, reads="range").missing == ("ro_auroc of flint holds no mean curve",)


def test_what_is_missing_is_named(build, cells):
    found = cells("accuracy", {"kmex": {0: [1]}, "flint": {1: [1]}})
    assert compare("accuracy", KMEX, method("b4"), found).missing == ("no result of b4",)
    assert compare("accuracy", method("b4"), method("cnn"), found).missing == ("no result of b4", "no result of cnn")
    assert compare("accuracy", KMEX, FLINT, found).missing == ("kmex and flint have no seed in common",)
    assert compare("lrp_kl", KMEX, FLINT, found).missing[0] == "lrp_kl was not measured on kmex"
    no = build.result({"ghosting": build.not_applicable("ghosting", "it has none")}, explainer="kmex")
    assert compare("ghosting", KMEX, None, [no]).missing == ("ghosting does not apply to kmex: it has none",)
    assert compare("ghosting", KMEX, None, [no]).estimate is None


def test_images_that_are_missing_in_one_seed_are_refused(cells):
    with pytest.raises(ResultsMixed, match="different numbers of test images"):
        compare("accuracy", KMEX, None, cells("accuracy", {"kmex": {0: [1, 1], 1: [1]}}))


def test_the_mean_over_data_sets(cells):
    one = compare("accuracy", KMEX, None, cells("accuracy", {"kmex": {0: [1, 1]}}, dataset="a"))
    two = compare("accuracy", KMEX, None, cells("accuracy", {"kmex": {3: [0, 1, 0, 1]}}, dataset="b"))
    mean = mean_over_datasets([one, two])
    assert (mean.estimate.value, mean.datasets, mean.seeds) == (0.75, ("a", "b"), (0, 3))
    width = two.estimate.interval().high - two.estimate.interval().low
    assert mean.estimate.interval().high - mean.estimate.interval().low == pytest.approx(width / 2)
    with pytest.raises(ValueError, match="0 of 0"):
        mean_over_datasets([])
