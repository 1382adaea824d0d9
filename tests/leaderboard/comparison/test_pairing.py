import numpy as np
import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.comparison.difference import difference, paired

DRAWS = 4000


@pytest.fixture
def entry(build):
    """Cells of one entry: scores by seed."""

    def make(metric, scores, name="a", **changes):
        return [
            build.result({metric: build.scored(metric, values)}, explainer=name, seed=seed, **changes)
            for seed, values in scores.items()
        ]

    return make


@pytest.mark.parametrize("metric", ["accuracy", "ro_auroc", "diversity"])
def test_a_pair_among_others_is_what_it_is_alone(entry, metric):
    """The same difference as elsewhere, up to the resamples drawn."""
    rng = np.random.default_rng(0)
    a, b, c = (
        entry(metric, {seed: 0.8 * rng.random(80) + seed * place / 40 for seed in range(3)}) for place in range(3)
    )
    first, second = paired(metric, [(a, b), (c, b)], DRAWS)
    for own, alone in ((first, difference(metric, a, b)), (second, difference(metric, c, b))):
        assert own.seeds == (0, 1, 2)
        assert own.own.value == pytest.approx(alone.value)
        here, there = own.widened.interval(), alone.interval()
        assert (here.low, here.high) == pytest.approx((there.low, there.high), abs=0.03)


def test_each_pair_has_its_own_seeds(entry):
    a = entry("accuracy", {0: [1, 1], 1: [1, 0], 2: [1, 0]})
    b, c = entry("accuracy", {0: [0, 0], 1: [0, 0]}), entry("accuracy", {7: [0, 0]})
    first, second, third = paired("accuracy", [(a, b), (a, c), (a, a)], DRAWS)
    assert second is None
    assert (first.seeds, first.own.value) == ((0, 1), 0.75)
    assert (third.seeds, third.own.value) == ((0, 1, 2), 0)
    assert first.by_seed.tolist() == [1, 0.5]


def test_a_constant_difference_has_no_width(entry):
    images = np.arange(9) / 8
    (own,) = paired("ro_auroc", [(entry("ro_auroc", dict.fromkeys((0, 1), images / 2 + 0.25)),
                                  entry("ro_auroc", dict.fromkeys((0, 1), images / 2)))], DRAWS)  # fmt: skip
    interval = own.widened.interval()
    assert (interval.low, interval.value, interval.high) == (0.25, 0.25, 0.25)


def test_other_numbers_of_images_are_refused(entry):
    pair = entry("ro_auroc", {0: [1, 0], 1: [1, 0]}), entry("ro_auroc", {0: [1, 0, 1], 1: [1, 0, 1]})
    with pytest.raises(ResultsMixed, match="2 scores in one entry and 3 in another"):
        paired("ro_auroc", [pair], DRAWS)
