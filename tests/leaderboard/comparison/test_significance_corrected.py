import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sembench_leaderboard.comparison.difference import Paired
from sembench_leaderboard.comparison.page import HOW_TO_READ
from sembench_leaderboard.comparison.significance import holm, p_value
from sembench_leaderboard.statistics.bootstrap import estimate

REPETITIONS = 1000
# Three and a half standard deviations of a share of 1,000: 18 such checks all pass with 99 % if the coverage is right.
TOLERANCE = 3.5 * (0.95 * 0.05 / REPETITIONS) ** 0.5


def crossed(scores, names=("suite", "digits"), draws=1000):
    """A difference per seed and image, ``(seeds, images)``."""
    scores = np.asarray(scores, dtype=float)
    own = estimate(list(scores), crossed=True, names=names, draws=draws)
    return Paired(tuple(range(len(scores))), own, scores.mean(axis=1), tuple(names))


def nested(first, second, names, draws=1000):
    """Two methods with prototypes of their own, each ``(seeds, prototypes)``."""
    parts = [
        estimate(list(own), crossed=False, names=names, draws=draws, units=units)
        for own, units in ((first, "a"), (second, "b"))
    ]
    by_seed = first.mean(axis=1) - second.mean(axis=1)
    return Paired(tuple(range(len(first))), parts[0] - parts[1], by_seed, tuple(names))


def test_holm_by_hand():
    """Sorted .005 .01 .03 .04: times 4, 3, 2, 1 is .02 .03 .06 .04, and the last may not be below the third."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_reject(p_values):
    """Step by step, as Holm tells it: the smallest at alpha / m, the next at alpha / (m - 1), until one is kept."""
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - step) >= 0.05:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(p_values)) if p < 0.05} == rejected


def test_no_difference_at_all():
    assert p_value(crossed(np.zeros((2, 5)))) == 1


def test_the_resamples_bound_it_below():
    assert p_value(crossed(np.ones((2, 5)), draws=999)) == 2 / 1000


def test_the_sign_does_not_matter():
    scores = np.random.default_rng(0).normal(0.3, 1, (3, 40))
    assert p_value(crossed(scores)) == pytest.approx(p_value(crossed(-scores)))


def test_rounding_is_not_a_difference():
    rounding = np.array([[0.1 + 0.2 - 0.3, 1, -1], [0, 1, -1]])
    assert p_value(crossed(rounding)) == 1


def test_one_seed_is_refused():
    with pytest.raises(ValueError, match="two seeds"):
        p_value(crossed(np.ones((1, 5))))


@pytest.mark.parametrize("shift", np.linspace(0, 1.2, 13))
def test_it_says_what_the_interval_says(shift):
    scores = np.random.default_rng(1).normal(shift, 1, (3, 60)) + np.array([[0.1], [-0.1], [0]])
    own = crossed(scores)
    interval, p = own.widened.interval(), p_value(own)
    assert (p < 0.05) == (interval.low > 0 or interval.high < 0) or p == pytest.approx(0.05, abs=0.004)


def test_seeds_that_disagree_are_no_evidence():
    """On these models the images leave no doubt; the two trainings differ by as much as the effect."""
    images = np.random.default_rng(2).normal(0, 0.01, 100)
    assert p_value(crossed([images + 0.1, images + 0.3])) > 0.2
    assert p_value(crossed([images + 0.2, images + 0.2001])) < 0.01


def simulated(kind, seeds, of_seed, of_image, rng, units=40):
    """A difference whose true mean is 0."""
    if kind == "crossed":
        shared = of_image * rng.normal(size=units)
        return crossed(
            of_seed * rng.normal(size=(seeds, 1)) + shared + 0.5 * rng.normal(size=(seeds, units)),
            names=("simulated", str(rng.integers(2**60))),
        )
    first, second = (of_seed * rng.normal(size=(seeds, 1)) + 0.5 * rng.normal(size=(seeds, units)) for _ in range(2))
    return nested(first, second, names=("simulated", str(rng.integers(2**60))))


def coverage(kind, seeds, of_seed, of_image):
    """Shares of repetitions whose interval holds 0: widened, not widened; and the share with p < .05."""
    rng, counts = np.random.default_rng([seeds, len(kind)]), np.zeros(3)
    for _ in range(REPETITIONS):
        own = simulated(kind, seeds, of_seed, of_image, rng)
        wide, narrow = own.widened.interval(), own.own.interval()
        counts += [wide.low <= 0 <= wide.high, narrow.low <= 0 <= narrow.high, p_value(own) < 0.05]
    return counts / REPETITIONS


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["crossed", "nested"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_have_their_coverage_where_seeds_vary_much(kind, seeds):
    wide, narrow, rejected = coverage(kind, seeds, of_seed=1, of_image=0.5)
    assert wide == pytest.approx(0.95, abs=TOLERANCE)
    assert rejected == pytest.approx(0.05, abs=TOLERANCE)
    assert narrow < {2: 0.7, 3: 0.82, 5: 0.9}[seeds]  # what the widening is for


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["crossed", "nested"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("of_seed", [0, 0.1])
def test_intervals_are_rather_too_wide_where_seeds_hardly_vary(kind, seeds, of_seed):
    wide, _, rejected = coverage(kind, seeds, of_seed=of_seed, of_image=1)
    assert wide > 0.95 - TOLERANCE
    assert rejected < 0.05 + TOLERANCE


@pytest.mark.slow
def test_rare_differences_are_missed_as_often_as_the_page_says():
    """One image in 500 is worse, of 360, two seeds: where none is seen, the interval is 0 without width."""
    rng, held, alarms = np.random.default_rng(3), 0, 0
    for repetition in range(REPETITIONS):
        own = crossed(-(rng.random((2, 360)) < 0.002).astype(float), names=("rare", str(repetition)))
        interval = own.widened.interval()
        held += interval.low <= -0.002 <= interval.high
        alarms += p_value(own) < 0.05
    assert held / REPETITIONS == pytest.approx(0.77, abs=3.5 * (0.77 * 0.23 / REPETITIONS) ** 0.5)
    assert "holds the truth in 77 %" in HOW_TO_READ
    assert alarms / REPETITIONS < 0.05
