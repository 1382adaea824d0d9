import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from sembench_leaderboard.statistics.ranks import kendall_tau_b, spearman

values = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=9)


def differs(column):
    return len(set(column)) > 1


@given(values)
def test_agrees_with_scipy_ties_included(pairs):
    first, second = zip(*pairs, strict=True)
    if differs(first) and differs(second):
        assert kendall_tau_b(first, second) == pytest.approx(kendalltau(first, second).statistic)
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    else:
        assert kendall_tau_b(first, second) is None
        assert spearman(first, second) is None


def test_known_answers():
    assert kendall_tau_b([1, 2, 3], [1, 2, 3]) == spearman([1, 2, 3], [10, 20, 30]) == 1
    assert kendall_tau_b([1, 2, 3], [3, 2, 1]) == spearman([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau_b([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert spearman([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)
    assert kendall_tau_b([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert kendall_tau_b([1], [1]) is None


def test_what_differs_by_rounding_only_is_a_tie():
    third = sum([0.1] * 3)
    assert third != 0.3
    assert kendall_tau_b([0.3, third, 1], [1, 2, 3]) == kendall_tau_b([0.3, 0.3, 1], [1, 2, 3])
    assert spearman([0.3, third], [1, 2]) is None
    assert kendall_tau_b([0.33104159047, 0.33104159073, 1], [1, 2, 3]) == kendall_tau_b([0.3, 0.3, 1], [1, 2, 3])
    assert spearman([1e-6, 2e-6, 3e-6], [1, 2, 3]) == 1


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="shorter"):
        kendall_tau_b([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="shorter"):
        spearman([1, 2, 3], [1, 2])
