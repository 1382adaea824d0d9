import pytest

from sembench_leaderboard.statistics.ranks import kendall_tau_b, spearman


def test_known_answers():
    for correlation in (kendall_tau_b, spearman):
        assert correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
        assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
        assert correlation([1, 1, 1], [1, 2, 3]) is None
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
    assert spearman([1e-6, 2e-6, 3e-6], [1, 2, 3]) == pytest.approx(1)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="same methods"):
        kendall_tau_b([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="same methods"):
        spearman([1, 2, 3], [1, 2])
