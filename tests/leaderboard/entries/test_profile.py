import pytest

from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.profile import AXES, average, averages, gaps, outlines, profile

NAMES = ["transparency", "faithful accuracy", "faithful explanation", "robustness", "diversity"]


def entries_of(build, *, explainer="kmex", dataset="digits", kind="explainer", **values):
    scores = {
        name: build.not_applicable(name, "not for this one") if value is None else build.scored(name, [value])
        for name, value in values.items()
    }
    return aggregate([build.result(scores, explainer=explainer, dataset=dataset, kind=kind)])


def whole(build, value, **place):
    return entries_of(build, ghosting=1 - value, accuracy_gap=5 * (value - 1), lrp_kl=1 - value, ro_auroc=value,
                      diversity=1 - value, **place)  # fmt: skip


def test_known_values(build):
    entries = entries_of(build, ghosting=0.2, accuracy_gap=-1.0, lrp_kl=0.25, ro_auroc=0.7, diversity=0.1)
    assert profile(entries) == pytest.approx(
        {
            "transparency": 0.8, "faithful accuracy": 0.8, "faithful explanation": 0.75, "robustness": 0.7,
            "diversity": 0.9,
        }
    )  # fmt: skip


@pytest.mark.parametrize(("gap", "position"), [(0, 1), (-5, 0), (-80, -15), (2.5, 1.5)])
def test_five_points_below_lie_at_the_centre_and_better_goes_beyond_the_circle(build, gap, position):
    assert profile(entries_of(build, accuracy_gap=gap))["faithful accuracy"] == pytest.approx(position)


@pytest.mark.parametrize(("kl", "position"), [(0, 1), (1, 0), (7, -6)])
def test_one_nat_lies_at_the_centre(build, kl, position):
    assert profile(entries_of(build, lrp_kl=kl))["faithful explanation"] == position


@pytest.mark.parametrize("metric", [axis.metric for axis in AXES])
def test_better_is_larger_on_every_axis(build, metric):
    name = next(axis.name for axis in AXES if axis.metric == metric)
    better = {"higher": 0.9, "lower": 0.1}[build.measure(metric).direction]
    assert (
        profile(entries_of(build, **{metric: better}))[name] > profile(entries_of(build, **{metric: 1 - better}))[name]
    )


def test_what_does_not_apply_or_was_not_taken_is_a_gap_not_a_zero(build):
    entries = entries_of(build, ghosting=None, ro_auroc=0.0, accuracy=1.0)
    assert profile(entries) == dict.fromkeys(NAMES) | {"robustness": 0.0}
    ((outline,),) = outlines(entries).values()
    assert gaps(outline) == ["transparency", "faithful accuracy", "faithful explanation", "diversity"]


def test_the_average_is_a_gap_where_any_data_set_has_one():
    first = dict.fromkeys(NAMES, 0.5)
    assert average([first, first | {"diversity": None, "robustness": 1.0}]) == first | {
        "diversity": None,
        "robustness": 0.75,
    }


@pytest.mark.parametrize("gaps", [(-5.9, -1.2, -8.5), (7.0, -1.0, 0.5)])
def test_the_average_is_the_position_of_the_mean_score(build, gaps):
    profiles = [profile(entries_of(build, accuracy_gap=gap, lrp_kl=abs(gap))) for gap in gaps]
    gap, kl = sum(gaps) / len(gaps), sum(map(abs, gaps)) / len(gaps)
    assert average(profiles) == pytest.approx(profile(entries_of(build, accuracy_gap=gap, lrp_kl=kl)))


def test_averages_are_taken_only_over_entries_on_all_data_sets(build):
    entries = [
        *whole(build, 0.2, explainer="a"), *whole(build, 1.0, explainer="b"),
        *whole(build, 0.6, explainer="a", dataset="mnist"), *whole(build, 1.0, explainer="c", dataset="mnist"),
    ]  # fmt: skip
    (mean,) = averages(outlines(entries))
    assert mean.explainer == "a"
    assert mean.profile == pytest.approx(dict.fromkeys(NAMES, 0.4))


def test_methods_on_no_axis_have_no_outline(build):
    assert outlines(entries_of(build, accuracy=1.0, ghosting=None)) == {}


def test_a_profile_does_not_depend_on_who_else_takes_part(build):
    alone = whole(build, 0.3, explainer="a")
    together = [*alone, *whole(build, 1.0, explainer="b")]
    assert outlines(alone)["digits"][0] == outlines(together)["digits"][0]
