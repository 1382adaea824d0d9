import numpy as np
import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.comparison.significance import probability_of_best
from sembench_leaderboard.statistics import resampling
from sembench_leaderboard.statistics.resampling import crossed_means, joint_means


@pytest.fixture
def methods(build):
    """Cells by entry: scores by entry and seed."""

    def make(metric, scores, **changes):
        return {
            name: [
                build.result({metric: build.scored(metric, values)}, explainer=name, seed=seed, **changes)
                for seed, values in enumerate(seeds)
            ]
            for name, seeds in scores.items()
        }

    return make


def test_the_better_one_on_every_image_is_always_the_best(methods):
    images = np.random.default_rng(0).random(50)
    own = probability_of_best("ro_auroc", methods("ro_auroc", {"a": [images / 2, images / 2], "b": [images, images]}))
    assert own == {"a": 0, "b": 1}


def test_the_direction_of_the_measure_decides(methods):
    own = probability_of_best("lrp_kl", methods("lrp_kl", {"a": [[0.1, 0.2]] * 2, "b": [[0.2, 0.3]] * 2}))
    assert own == {"a": 1, "b": 0}


def test_ties_share(methods):
    same = [[0, 1, 1, 0]] * 2
    own = probability_of_best("accuracy", methods("accuracy", {"a": same, "b": same, "c": [[0, 0, 0, 0]] * 2}))
    assert own["a"] == own["b"]
    assert sum(own.values()) == pytest.approx(1)
    # All are 0 where only images 0 and 3 were drawn: 1 / 16 of the resamples.
    assert own["c"] == pytest.approx(1 / 48, abs=0.01)


def test_images_are_drawn_together(methods):
    """Images differ by much more than the methods, by a hair on each of them: one is the best all the same."""
    images = np.random.default_rng(0).random(50)
    worse = [0.999 * images] * 2
    own = probability_of_best("ro_auroc", methods("ro_auroc", {"a": [images] * 2, "b": worse}))
    assert own["a"] == 1


def test_one_of_two_seeds_in_favour_of_each(methods):
    """Of four ways to draw two seeds one is all a's, one all b's, two are ties."""
    own = probability_of_best("accuracy", methods("accuracy", {"a": [[1, 1], [0, 0]], "b": [[0, 0], [1, 1]]}))
    assert own["a"] == pytest.approx(0.5, abs=0.03)
    assert own["a"] + own["b"] == pytest.approx(1)


def test_prototypes_are_drawn_independently(methods):
    """The same scores, but of prototypes that do not correspond: neither is sure to be better."""
    scores = np.random.default_rng(0).random(50)
    own = probability_of_best("diversity", methods("diversity", {"a": [scores] * 2, "b": [0.999 * scores] * 2}))
    assert 0.4 < own["a"] < 0.6


def test_no_common_seed_gives_nothing(build):
    cells = {
        name: [build.result({"accuracy": build.scored("accuracy", [1, 0])}, explainer=name, seed=seed)]
        for name, seed in (("a", 0), ("b", 1))
    }
    assert probability_of_best("accuracy", cells) == {}
    assert probability_of_best("accuracy", {}) == {}


def test_other_numbers_of_images_are_refused(methods):
    with pytest.raises(ResultsMixed, match=r"ro_auroc on digits .* 2 of a, 3 of b"):
        probability_of_best("ro_auroc", methods("ro_auroc", {"a": [[1, 0]] * 2, "b": [[1, 0, 1]] * 2}))


@pytest.mark.parametrize("crossed", [True, False])
def test_joint_means_are_distributed_as_means_one_by_one(crossed):
    """Mean and variance against their formulas: crossed, units and seeds; nested, each seed with its own units."""
    scores = np.random.default_rng(0).random((3, 40))
    drawn = joint_means([np.stack([own, 2 * own]) for own in scores], 20_000, ("a",), crossed=crossed)
    assert drawn[:, 1] == pytest.approx(2 * drawn[:, 0])
    assert drawn[:, 0].mean() == pytest.approx(scores.mean(), abs=0.002)
    if crossed:
        alone = crossed_means(list(scores), 20_000, ("b",))
        assert drawn[:, 0].var() == pytest.approx(alone.var(), rel=0.05)
    else:
        of_seeds, of_units = scores.mean(axis=1).var() / 3, scores.var(axis=1).mean() / 40 / 3
        assert drawn[:, 0].var() == pytest.approx(of_seeds + of_units, rel=0.05)


@pytest.mark.parametrize("crossed", [True, False])
def test_joint_means_do_not_depend_on_other_entries(crossed, monkeypatch):
    scores = np.random.default_rng(0).random((2, 30))
    both = joint_means([np.stack([own, own**2]) for own in scores], 200, ("a",), crossed=crossed)
    one = joint_means([own[None] for own in scores], 200, ("a",), crossed=crossed)
    assert both[:, :1] == pytest.approx(one)
    monkeypatch.setattr(resampling, "_CHUNK", 30 * 7)  # drawn in many pieces
    pieces = joint_means([own[None] for own in scores], 200, ("a",), crossed=crossed)
    assert pieces.mean() == pytest.approx(one.mean(), abs=0.02)
    assert len(np.unique(pieces)) > 150
