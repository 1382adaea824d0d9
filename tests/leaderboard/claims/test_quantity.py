import numpy as np
import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.claims.quantity import compare as compare_sides
from sembench_leaderboard.claims.quantity import mean_over_datasets
from sembench_leaderboard.entries.selection import find, method

KMEX, FLINT = method("kmex"), method("flint")


def compare(metric, first, second, runs, **how):
    """A comparison of two methods."""
    return compare_sides(metric, find(first, runs), find(second, runs) if second else None, runs, **how)


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


def alone(build, name, scores, *, seed=0, explained=None, hyperparameters=None, **fields):
    """One run with constant scores."""
    made = {metric: build.scored(metric, [value] * 4) for metric, value in scores.items()}
    run = build.result(made, explainer=name, seed=seed, **fields)
    return run if hyperparameters is None else run.model_copy(update={"hyperparameters": hyperparameters})


def test_the_size_of_a_difference_forgets_its_sign(build):
    runs = [
        alone(build, name, {"accuracy_gap": gap}, seed=seed)
        for name, gap in (("kmex", -0.5), ("flint", 2.0))
        for seed in (0, 1)
    ]
    own = compare("accuracy_gap", KMEX, FLINT, runs, reads="size")
    assert own.estimate.value == -1.5


PROFILE = {"ghosting": 0.25, "accuracy_gap": -1.0, "lrp_kl": 0.5, "ro_auroc": 0.6, "diversity": 0.1}
POSITIONS = (0.75, 0.8, 0.5, 0.6, 0.9)


@pytest.mark.parametrize(("metric", "position"), list(zip(PROFILE, POSITIONS, strict=True)))
def test_positions_on_the_radar(build, metric, position):
    runs = [alone(build, "kmex", PROFILE), alone(build, "flint", PROFILE | {metric: PROFILE[metric] - 0.1})]
    assert compare(metric, KMEX, None, runs, reads="position").estimate.value == pytest.approx(position)
    step = {"accuracy_gap": 0.02, "ro_auroc": 0.1}.get(metric, -0.1)
    own = compare(metric, KMEX, FLINT, runs, reads="position")
    assert own.estimate.value == pytest.approx(step)
    assert own.measure.unit == "of the radius"


def pentagon(positions):
    """Area of the polygon with these corners, as a share of the regular one's: the shoelace formula."""
    angles = 2 * np.pi * np.arange(5) / 5

    def shoelace(radii):
        x, y = radii * np.cos(angles), radii * np.sin(angles)
        return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2

    return shoelace(np.clip(positions, 0, 1.1)) / shoelace(np.ones(5))


@pytest.mark.parametrize("changes", [{}, {"accuracy_gap": -8.0}, {"accuracy_gap": 3.0}, {"lrp_kl": 2.0}])
def test_the_area_of_the_radar(build, changes):
    scores = PROFILE | changes
    positions = np.array(POSITIONS)
    positions[1], positions[2] = 1 + scores["accuracy_gap"] / 5, 1 - scores["lrp_kl"]
    own = compare("radar_area", KMEX, None, [alone(build, "kmex", scores)], reads="area")
    assert own.estimate.value == pytest.approx(pentagon(positions))
    assert own.measure.title == "Radar area"


def test_an_area_needs_all_five_axes(build):
    own = compare("radar_area", KMEX, None, [alone(build, "kmex", {"ghosting": 0})], reads="area")
    assert own.missing == ("accuracy_gap was not measured on kmex",)


def test_how_far_a_curve_rises_over_its_random_curve(build):
    """Its ends are the clean image and noise alone: they are the same in both."""
    curves = {"curve": (0.9, 0.5, 0.4, 0.1), "random curve": (0.8, 0.7, 0.3, 0.0)}
    score = build.scored("ro_auroc", [0.5], details=curves)
    own = compare("ro_auroc", KMEX, None, [build.result({"ro_auroc": score})], reads="over random")
    assert own.estimate.value == pytest.approx(0.1)


def test_the_improvement_of_a_conversion_over_its_own_model(build):
    few, many = {"prototypes_per_class": 5}, {"prototypes_per_class": 10}
    of_few, of_many = ({"of": "flint", "base": base} | base for base in (few, many))
    runs = [
        alone(build, "flint", {"diversity": 0.9}, hyperparameters=few),
        alone(build, "kmex(flint)", {"diversity": 0.2}, hyperparameters=of_few),
    ]
    conversion = method("kmex(flint)")
    own = compare("diversity", conversion, None, runs, reads="improvement")
    assert own.estimate.value == pytest.approx(-0.7)
    other = [runs[0], alone(build, "kmex(flint)", {"diversity": 0.2}, hyperparameters=of_many)]
    missing = compare("diversity", conversion, None, other, reads="improvement").missing
    assert missing == ("no result of the model that kmex(flint) is made of",)


def spent(build, name, seconds, *, own_network, kind="explainer", **provenance):
    cost = build.cost(
        backbone_seconds=60, fit_seconds=seconds, parameters=100, own_parameters=100 if own_network else 5,
        predict_seconds_single=seconds / 1000,
    )  # fmt: skip
    return build.result({}, explainer=name, spent=cost, kind=kind, **provenance)


def test_a_network_of_its_own_needs_no_black_box(build):
    runs = [spent(build, "kmex", 2.0, own_network=False), spent(build, "flint", 90.0, own_network=True)]
    assert compare("training_seconds", KMEX, FLINT, runs, reads="cost").estimate.value == 62 - 90
    single = compare("predict_seconds_single", KMEX, FLINT, runs, reads="cost")
    assert (single.estimate.value, single.measure.unit) == (pytest.approx(-0.088), "s")


def test_seconds_compare_on_one_machine_only(build):
    here, there = spent(build, "kmex", 2.0, own_network=False), {"device": "a GPU"}
    other = spent(build, "flint", 90.0, own_network=True, **there)
    why = "training_seconds of kmex minus flint: measured on machines of different kinds"
    assert compare("training_seconds", KMEX, FLINT, [here, other], reads="cost").missing == (why,)
    rival = spent(build, "flint", 90.0, own_network=True)
    black_box = spent(build, "blackbox", 0.0, own_network=False, kind="reference", **there)
    assert compare("training_seconds", KMEX, FLINT, [here, rival, black_box], reads="cost").missing == (why,)


def test_seconds_that_were_not_recorded_are_not_known(build):
    runs = [
        build.result({}, explainer=name, spent=build.cost(predict_seconds_single=None)) for name in ("kmex", "flint")
    ]
    assert compare("predict_seconds_single", KMEX, None, runs, reads="cost").missing == (
        "predict_seconds_single of kmex is not known",
    )
