import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm
from scipy.stats import t as scipy_t

from sembench_leaderboard.statistics import resampling
from sembench_leaderboard.statistics.bootstrap import Estimate, Interval, bootstrap, estimate, widened
from sembench_leaderboard.statistics.resampling import grouped, on_grid

NAMES = ("quick", "digits")


def resampled(cells, **options):
    """The interval before it is widened for few seeds."""
    return estimate(cells, **options).interval()


def naive(cells, *, crossed, draws, rng):
    """The hierarchical bootstrap, spelled out: seeds, then units, in a loop."""
    means = []
    for _ in range(draws):
        drawn = rng.integers(0, len(cells), len(cells))
        shared = rng.integers(0, len(cells[0]), len(cells[0]))
        units = [shared if crossed else rng.integers(0, len(cells[s]), len(cells[s])) for s in drawn]
        means.append(np.mean([cells[s][u].mean() for s, u in zip(drawn, units, strict=True)]))
    return np.quantile(means, [0.025, 0.975])


def few_values(rng, seeds, units):
    common = rng.random(units) < 0.1
    return [
        np.where(common, rng.random(units) < 0.5, rng.random(units) < 0.9 + 0.03 * s).astype(float)
        for s in range(seeds)
    ]


def many_values(rng, seeds, units):
    common = rng.normal(size=units)
    return [common + rng.normal(size=units) + 0.3 * s for s in range(seeds)]


@pytest.mark.parametrize("make", [few_values, many_values])
@pytest.mark.parametrize("units", [40, 3000])
def test_one_seed_agrees_with_scipy(make, units):
    (cell,) = make(np.random.default_rng(1), 1, units)
    ours = resampled([cell], crossed=True, names=NAMES, draws=4000)
    theirs = scipy_bootstrap(
        (cell,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(0), batch=100
    ).confidence_interval
    assert ours.value == pytest.approx(cell.mean())
    assert [ours.low, ours.high] == pytest.approx(list(theirs), abs=0.06 * (theirs.high - theirs.low))


@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("make", [few_values, many_values])
@pytest.mark.parametrize("units", [30, 1500])
def test_several_seeds_agree_with_a_loop(make, units, crossed):
    cells = make(np.random.default_rng(2), 4, units)
    ours = resampled(cells, crossed=crossed, names=NAMES, draws=4000)
    low, high = naive(cells, crossed=crossed, draws=4000, rng=np.random.default_rng(3))
    assert ours.value == pytest.approx(np.mean(cells))
    assert [ours.low, ours.high] == pytest.approx([low, high], abs=0.08 * (high - low))


def test_nested_cells_of_different_sizes_agree_with_a_loop():
    rng = np.random.default_rng(4)
    cells = [rng.gamma(2, size=units) for units in (20, 60, 45)]
    ours = resampled(cells, crossed=False, names=NAMES, draws=4000)
    low, high = naive(cells, crossed=False, draws=4000, rng=rng)
    assert ours.value == pytest.approx(np.mean([cell.mean() for cell in cells]))
    assert [ours.low, ours.high] == pytest.approx([low, high], abs=0.08 * (high - low))


@pytest.mark.parametrize("crossed", [True, False])
def test_the_ways_to_resample_agree(monkeypatch, crossed):
    """Shared weights, grouped units and units one by one give the same interval."""
    cells = few_values(np.random.default_rng(5), 3, 600)
    shared = resampled(cells, crossed=crossed, names=NAMES, draws=3000)
    monkeypatch.setattr(resampling, "_SHARED", 0)
    grouped = resampled(cells, crossed=crossed, names=NAMES, draws=3000)
    monkeypatch.setattr(resampling, "grouped", lambda *_: None)
    monkeypatch.setattr(resampling, "_CHUNK", 600 * 7)
    single = resampled(cells, crossed=crossed, names=NAMES, draws=3000)
    width = single.high - single.low
    for other in (shared, grouped):
        assert [other.low, other.high] == pytest.approx([single.low, single.high], abs=0.08 * width)


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(seeds):
    """Seed effects and image effects of known size: true mean 0. Few seeds make the interval somewhat too narrow."""
    rng, hits, trials = np.random.default_rng(6), 0, 200
    for _ in range(trials):
        images = rng.normal(size=60)
        effects = rng.normal(scale=0.3, size=seeds) if seeds > 1 else [0.0]
        cells = [images + effect + rng.normal(scale=0.5, size=60) for effect in effects]
        interval = resampled(cells, crossed=True, names=NAMES, draws=400)
        hits += interval.low <= 0 <= interval.high
    assert 0.88 <= hits / trials <= 0.98


def test_more_seeds_of_different_quality_widen_the_interval():
    rng = np.random.default_rng(7)
    right = (rng.random(2000) < 0.9).astype(float)
    alike = resampled([right, right], crossed=True, names=NAMES)
    apart = resampled([right, right * (rng.random(2000) < 0.8)], crossed=True, names=NAMES)
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e-9, 100.0])
def test_constants_give_zero_width(value, crossed):
    cells = [np.full(7, value)] * 3
    assert resampled(cells, crossed=crossed, names=NAMES) == Interval(value, value, value)


def test_the_same_names_give_the_same_interval_and_others_do_not():
    cells = many_values(np.random.default_rng(8), 2, 50)
    first = resampled(cells, crossed=True, names=NAMES)
    resampled(many_values(np.random.default_rng(9), 3, 70), crossed=False, names=("quick", "other"))
    resampling._unit_counts.cache_clear()
    assert resampled(cells, crossed=True, names=NAMES) == first
    assert resampled(cells, crossed=True, names=("quick", "letters")) != first


cells_of_any_kind = st.lists(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=12).map(lambda v: np.array(v, dtype=np.float64)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(cells_of_any_kind)
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_value_and_stays_within_the_scores(cells):
    interval = resampled(cells, crossed=False, names=NAMES, draws=50)
    lowest, highest = min(cell.min() for cell in cells), max(cell.max() for cell in cells)
    slack = 1e-8 * max(1.0, abs(lowest), abs(highest))  # derived numbers have nine digits
    assert lowest - slack <= interval.low <= interval.value <= interval.high <= highest + slack


@pytest.mark.parametrize(
    ("cells", "crossed"), [([], False), ([[]], False), ([[1.0], []], False), ([[1.0], [1.0, 2.0]], True)]
)
def test_cells_that_cannot_be_resampled(cells, crossed):
    with pytest.raises(ValueError, match=r"cannot resample seeds of \["):
        resampled([np.array(cell) for cell in cells], crossed=crossed, names=NAMES)


def test_groups_keep_the_mean_and_the_number_of_units():
    values = np.stack(few_values(np.random.default_rng(10), 3, 2000))
    times = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]])
    found = grouped(values, times)
    assert found is not None
    assert found.shares.sum(axis=1) == pytest.approx(1.0)
    assert found.shares @ found.scores == pytest.approx(times @ values.mean(axis=1))
    assert len(found.scores) == len(set(found.scores)) <= 6


@pytest.mark.parametrize("values", [
    np.random.default_rng(0).random((1, 5000)),  # a value of its own for every unit
    np.random.default_rng(0).integers(0, 300, (1, 2000)) / 7,  # many values, more than a sample shows
    np.tile([[0.0, 1.0]], (30, 10)),  # so many seeds that columns could not be numbered
])  # fmt: skip
def test_scores_of_many_values_are_not_grouped(values):
    assert grouped(values, np.ones((1, len(values)), dtype=int)) is None


def test_a_limit_that_is_zero_but_for_rounding_is_zero():
    """Sums that cancel leave some 1e-18, more or less on each machine."""
    interval = Estimate(-1.0, np.array([-2.0] * 10 + [1.7e-18] * 10), 2.0).interval()
    assert (interval.low, interval.high) == (-2, 0)


@pytest.mark.parametrize(("seeds", "factor"), [(2, 9.168), (3, 2.689), (5, 1.584), (1000, 1.0016)])
def test_the_part_of_few_seeds_is_widened_by_students_t(seeds, factor):
    """Cells without any spread over units: all of the interval comes from the seeds."""
    by_seed = np.random.default_rng(0).random(seeds)
    own = estimate([np.full(4, value) for value in by_seed], crossed=True, names=NAMES, draws=300)
    wider = widened(own, by_seed, NAMES)
    assert wider.value == own.value
    np.testing.assert_allclose(wider.means - own.value, factor * (own.means - own.value), rtol=1e-3, atol=1e-9)
    t = scipy_t.ppf(0.975, seeds - 1) / norm.ppf(0.975) * np.sqrt(seeds / (seeds - 1))
    assert factor == pytest.approx(t, rel=1e-3)


def test_units_are_not_widened_and_one_seed_is_left_as_it_is():
    cells = [np.arange(5.0), np.arange(5.0)]
    own = estimate(cells, crossed=True, names=NAMES)
    assert widened(own, np.array([2.0, 2.0]), NAMES) is own
    single = estimate(cells[:1], crossed=True, names=NAMES)
    assert widened(single, np.array([2.0]), NAMES) is single


@pytest.mark.parametrize("seeds", [1, 4])
def test_sums_on_the_grid_are_exact_in_any_order(seeds):
    """So that matrix products give the same bits on every processor."""
    rng = np.random.default_rng(11)
    cells = [rng.normal(size=5000) * 10.0 ** rng.integers(-4, 3, 5000) for _ in range(seeds)]
    values = np.concatenate(on_grid(cells))
    counts, order = rng.poisson(1, (20, len(values))), rng.permutation(len(values))
    exact = [math.fsum(np.repeat(values, row)) for row in counts]
    assert (counts @ values).tolist() == (counts[:, order] @ values[order]).tolist() == exact
    assert values == pytest.approx(np.concatenate(cells), abs=1e-9 * np.abs(values).max())


def test_entries_have_grids_of_their_own():
    """A difference of 1e-8 beside one of 1 keeps its digits."""
    both = np.array([[1.0, 0.5, 0.25], [1e-8, 3e-9, 2e-9]])
    assert on_grid([both])[0] == pytest.approx(both, rel=1e-12)
    assert on_grid([np.zeros((2, 3))])[0].tolist() == [[0.0] * 3] * 2


def test_resamples_have_the_same_bits_under_every_kernel():
    """OpenBLAS is asked for the kernels of an old and of a newer processor; where it has no choice, both are one."""
    code = """
import hashlib, numpy as np
from sembench_leaderboard.statistics import resampling
rng = np.random.default_rng(0)
cells = [rng.random(500) for _ in range(3)]
drawn = [resampling.crossed_means(cells, 400, ("a",)), resampling.nested_means(cells, 400, ("a",)),
         resampling.joint_means([np.stack([c, c * c]) for c in cells], 400, ("a",), crossed=True),
         resampling.seed_deviations(cells[0][:7], 400, ("a",))]
print(hashlib.sha256(b"".join(np.ascontiguousarray(own).tobytes() for own in drawn)).hexdigest())
"""
    found = set()
    for kernel in ("Nehalem", "Haswell"):
        asked = os.environ | {"OPENBLAS_CORETYPE": kernel}
        found.add(subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, check=True).stdout)
    assert len(found) == 1


def test_an_interval_that_is_shown_is_widened_and_stays_within_the_measures_range():
    cells = [np.array([0.9, 1.0, 1.0]), np.array([0.7, 0.8, 0.9])]
    own = widened(estimate(cells, crossed=True, names=NAMES), np.array([cell.mean() for cell in cells]), NAMES)
    whole = bootstrap(cells, crossed=True, names=NAMES)
    assert whole == own.interval()
    assert whole.high - whole.low > 3 * (plain := resampled(cells, crossed=True, names=NAMES)).high - 3 * plain.low
    assert whole.high > 1
    within = bootstrap(cells, crossed=True, names=NAMES, lower=0, upper=1)
    assert (within.value, within.low, within.high) == (whole.value, whole.low, 1.0)


def test_one_seed_has_the_plain_interval():
    cells = many_values(np.random.default_rng(10), 1, 30)
    assert bootstrap(cells, crossed=True, names=NAMES) == resampled(cells, crossed=True, names=NAMES)
