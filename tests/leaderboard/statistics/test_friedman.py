import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sembench_leaderboard.statistics.ranks import critical_difference, friedman, groups

# Demsar 2006, Table 6: AUC of C4.5, with cross-validated m, with cf, with both. On `voting` the third and the fourth
# are printed alike and ranked 2 and 3.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.9749], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip

tables = st.integers(3, 6).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=2, max_size=8)
)


def test_the_worked_example_of_demsar():
    own = friedman(DEMSAR)
    assert own.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    # The paper does not correct for ties and has 9.28: of 14 rows of four one is tied, and three have a pair.
    ties = 1 - ((4**3 - 4) + 3 * (2**3 - 2)) / (14 * (4**3 - 4))
    assert own.statistic * ties == pytest.approx(9.28, abs=5e-3)
    assert own.difference == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)
    # At 5 % C4.5 (rank 3.143) and C4.5-m+cf (1.964) are not told apart: 1.18 < 1.25.
    assert groups(own.mean_ranks, own.difference) == [(3, 1, 2, 0)]
    # At 10 % C4.5 differs from both with m (2.000, 1.964): 1.143 and 1.179 are above 1.12.
    assert groups(own.mean_ranks, critical_difference(4, 14, alpha=0.10)) == [(3, 1, 2), (2, 0)]


def test_methods_that_tie_everywhere_are_not_told_apart():
    own = friedman([[1, 1, 1], [2, 2, 2]])
    assert (own.mean_ranks, own.statistic, own.p) == ((2, 2, 2), 0, 1)


@given(tables)
def test_the_direction_only_reverses_the_ranks(table):
    higher, lower = friedman(table), friedman(table, lower_is_better=True)
    both = [a + b for a, b in zip(higher.mean_ranks, lower.mean_ranks, strict=True)]
    assert both == pytest.approx([len(table[0]) + 1] * len(both))
    assert higher.statistic == pytest.approx(lower.statistic)


def test_the_printed_table_of_critical_values():
    """Demsar 2006, Table 5a; some of its last digits are rounded the other way."""
    printed = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    own = [critical_difference(k, 1) / math.sqrt(k * (k + 1) / 6) for k in range(2, 11)]
    assert own == pytest.approx(printed, abs=1.1e-3)


def test_complete_agreement_gives_the_smallest_p():
    own = friedman([[3, 2, 1]] * 5)
    assert own.mean_ranks == (1, 2, 3)
    assert own.p == own.smallest_p == pytest.approx(math.exp(-5))  # chi-square of 10 with 2 degrees of freedom


def test_two_data_sets_and_three_methods_have_no_power():
    assert friedman([[3, 2, 1]] * 2).lacks_power
    assert friedman([[3, 2, 1]] * 2).smallest_p == pytest.approx(math.exp(-2))
    assert not friedman([[3, 2, 1]] * 3).lacks_power


def test_the_test_may_see_a_difference_where_no_pair_can_be_told_apart():
    own = friedman([list(range(10))] * 2)
    assert not own.lacks_power
    assert own.tells_no_pair_apart
    assert not friedman([list(range(10))] * 3).tells_no_pair_apart


@pytest.mark.parametrize("table", [[[1, 2, 3]], [[1, 2], [2, 1]]])
def test_too_few_are_refused(table):
    with pytest.raises(ValueError, match="2 data sets and 3 methods"):
        friedman(table)


def test_bars_are_as_long_as_possible_and_none_within_another():
    assert groups([1, 1.5, 3, 3.4, 9], 2) == [(0, 1), (1, 2, 3)]
    assert groups([4, 1, 2], 1.5) == [(1, 2)]
    assert groups([1, 2, 3], 1) == []  # a difference of the critical one is significant
    assert groups([2, 2, 2], 1) == [(0, 1, 2)]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers(1, 10))
def test_two_methods_share_a_bar_exactly_if_they_are_not_told_apart(ranks, difference):
    bars = groups(ranks, difference)
    for a in range(len(ranks)):
        for b in range(a):
            assert any(a in bar and b in bar for bar in bars) == (abs(ranks[a] - ranks[b]) < difference)
