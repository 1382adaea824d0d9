import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sembench.results.score import Measure
from sembench_leaderboard.tables.numbers import alone, in_percent, unit, with_interval, with_spread


@pytest.mark.parametrize(("metric", "interval", "text"), [
    ("accuracy", (0.972, 0.9612, 0.9831), "97.2 [96.1, 98.3]"),
    ("accuracy", (0.9986, 0.9944, 1.0), "99.9 [99.4, 100.0]"),
    ("accuracy", (0.95123, 0.95012, 0.95234), "95.12 [95.01, 95.23]"),
    ("accuracy_gap", (-2.31, -4.2, 0.3), "-2.3 [-4.2, +0.3]"),
    ("accuracy_gap", (0.0, 0.0, 0.0), "0 [0, 0]"),
    ("accuracy_gap", (-0.04, -1.2, 1.1), "0.0 [-1.2, +1.1]"),
    ("accuracy_gap", (-77.0, -81.0, -72.6), "-77.0 [-81.0, -72.6]"),
    ("accuracy_gap", (-0.95, -1.5, -0.3), "-1.0 [-1.5, -0.3]"),
    ("accuracy_gap", (-0.9500000000000001, -1.5, -0.3), "-1.0 [-1.5, -0.3]"),
    ("lrp_kl", (3.1e-4, 2.91e-4, 3.3e-4), "3.10e-04 [2.91e-04, 3.30e-04]"),
    ("lrp_kl", (1e-5, 0.0, 3e-5), "1.00e-05 [0, 3.00e-05]"),
    ("lrp_kl", (0.17234, 0.151, 0.1936), "0.172 [0.151, 0.194]"),
    ("lrp_kl", (0.63, 0.55, 0.71), "0.63 [0.55, 0.71]"),
    ("ghosting", (0.04, 0.04, 0.04), "0.0400 [0.0400, 0.0400]"),
    ("ghosting", (1.0, 1.0, 1.0), "1.00 [1.00, 1.00]"),
    ("ro_auroc_gain", (0.174, 0.162, 0.188), "+0.174 [+0.162, +0.188]"),
    ("seconds", (1234567.0, 1200000.0, 1300000.0), "+1.23e+06 [+1.20e+06, +1.30e+06]"),
])  # fmt: skip
def test_digits_follow_from_the_interval(build, metric, interval, text):
    assert with_interval(*interval, build.measure(metric)) == text


@pytest.mark.parametrize(("metric", "value", "text"), [
    ("accuracy", 0.1, "10.0"), ("accuracy_gap", 1.0, "+1.00"), ("lrp_kl", 0.19012, "0.190"), ("lrp_kl", 0.0, "0"),
    ("lrp_kl", 4.2e-5, "4.20e-05"), ("ro_auroc", 0.519, "0.519"), ("alignment_out", -0.02, "-0.0200"),
])  # fmt: skip
def test_a_number_alone_has_three_digits(build, metric, value, text):
    assert alone(value, build.measure(metric)) == text


def test_only_shares_of_images_are_shown_in_percent(build):
    shown = {name for name in ("accuracy", "accuracy_train", "accuracy_gap", "ghosting", "ro_auroc", "lrp_kl")
             if in_percent(build.measure(name))}  # fmt: skip
    assert shown == {"accuracy", "accuracy_train"}
    assert (unit(build.measure("accuracy")), unit(build.measure("lrp_kl")), unit(build.measure("ghosting"))) == (
        "%",
        "nats",
        "",
    )


@given(st.floats(-1e8, 1e8), st.floats(0, 1e4), st.floats(0, 1e4))
def test_printed_numbers_lie_close_and_in_order(value, below, above):
    measure = Measure(
        title="x", direction="higher", lower=None, upper=None, per="prototype", version=1, reference="", chance_is=""
    )
    low, high = value - below, value + above
    text = with_interval(value, low, high, measure)
    printed = [float(number) for number in re.findall(r"[+-]?\d[\d.]*(?:e[+-]\d+)?", text)]
    assert len(printed) == 3
    centre, lower, upper = printed
    assert lower <= centre <= upper
    assert centre == pytest.approx(value, rel=0.01, abs=0.6 * (high - low) + 1e-12)


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (97.234, 0.41, "97.2 ± 0.4"),
        (0.70312, 0.0123, "0.70 ± 0.01"),
        (0.1, None, "0.100"),
        (7.0, None, "7"),
        (7.0, 0.0, "7 ± 0"),
        (0.0, 0.0, "0 ± 0"),
        (3.1e-5, 1.2e-6, "3.10e-05 ± 1.20e-06"),
        (-0.0652, 0.01, "-0.07 ± 0.01"),
    ],
)
def test_a_mean_with_its_spread(value, spread, text):
    assert with_spread(value, spread) == text
