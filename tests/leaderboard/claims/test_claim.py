from typing import get_args

import pytest

from sembench_leaderboard.claims.claim import Kind, Test
from sembench_leaderboard.statistics.bootstrap import Interval

CASES = [
    # kind, margin, (low, value, high), verdict
    ("above", 0, (0.1, 0.2, 0.3), "holds"),
    ("above", 0, (-0.3, -0.2, 0.0), "fails"),
    ("above", 0, (-0.1, 0.2, 0.3), "open"),
    ("above", 0, (0.0, 0.0, 0.0), "fails"),  # equal is not better
    ("above", 0.2, (0.1, 0.3, 0.4), "open"),
    ("below", 0, (-0.3, -0.2, -0.1), "holds"),
    ("below", 0, (0.0, 0.2, 0.3), "fails"),
    ("below", -0.2, (-0.3, -0.25, -0.1), "open"),
    ("within", 0.1, (-0.1, 0.0, 0.1), "holds"),
    ("within", 0.1, (0.11, 0.2, 0.3), "fails"),
    ("within", 0.1, (-0.3, -0.2, -0.11), "fails"),
    ("within", 0.1, (-0.2, 0.0, 0.05), "open"),
    ("within", 0.1, (-0.2, 0.0, 0.2), "open"),
    ("outside", 0.1, (0.11, 0.2, 0.3), "holds"),
    ("outside", 0.1, (-0.3, -0.2, -0.11), "holds"),
    ("outside", 0.1, (-0.1, 0.0, 0.1), "fails"),
    ("outside", 0.1, (0.0, 0.1, 0.2), "open"),
    ("slight", 0.1, (0.01, 0.02, 0.1), "holds"),
    ("slight", 0.1, (-0.1, -0.02, -0.01), "holds"),
    ("slight", 0.1, (-0.01, 0.0, 0.02), "open"),  # no difference seen is no proof that there is none
    ("slight", 0.1, (0.05, 0.09, 0.11), "open"),
    ("slight", 0.1, (0.11, 0.2, 0.3), "fails"),
    ("slight", 0.1, (0.0, 0.0, 0.0), "fails"),  # the same in every resample
    ("never", 0, (0.0, 0.0, 0.0), "holds"),
    ("never", 0, (0.0, 0.01, 0.05), "fails"),  # one case is enough, whatever the interval
    ("occurs", 0, (0.0, 0.01, 0.05), "holds"),
    ("occurs", 0, (0.0, 0.0, 0.0), "fails"),
]


@pytest.mark.parametrize(("kind", "margin", "limits", "verdict"), CASES)
def test_verdicts(kind, margin, limits, verdict):
    low, value, high = limits
    assert Test(kind, margin).outcome(Interval(value, low, high)) == verdict


@pytest.mark.parametrize(
    ("kind", "better", "worse"),
    [
        ("above", 0.3, 0.2),
        ("below", 0.1, 0.2),
        ("within", -0.1, 0.2),
        ("outside", -0.3, 0.2),
        ("slight", 0.05, 0.2),
        ("never", 0, 0.1),
        ("occurs", 0.1, 0),
    ],
)
def test_slack_shrinks_towards_failing(kind, better, worse):
    assert Test(kind, 0.15).slack(better) > Test(kind, 0.15).slack(worse)


def test_only_a_case_seen_is_decided_by_one_seed():
    decided = {kind: Test(kind).decided_by_one for kind in get_args(Kind)}
    assert {kind: outcome for kind, outcome in decided.items() if outcome} == {"never": "fails", "occurs": "holds"}
