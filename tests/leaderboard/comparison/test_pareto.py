import pytest

from sembench_leaderboard.comparison.pareto import pareto
from sembench_leaderboard.entries.entry import aggregate

AXES = ("ghosting", "accuracy_gap", "lrp_kl", "ro_auroc", "diversity")
MIDDLE = (0.5, 0, 0.5, 0.5, 0.5)


def members(found):
    return tuple(name for name, above in found.dominated_by.items() if not above)


@pytest.fixture
def entries(build):
    """Entries of methods with one value on each axis; None: does not apply."""

    def make(values, kind="explainer", **changes):
        cells = []
        for name, own in values.items():
            scores = {
                metric: build.not_applicable(metric, "no") if value is None else build.scored(metric, [value])
                for metric, value in zip(AXES, own, strict=True)
            }
            cells.append(build.result(scores, explainer=name, kind=kind, **changes))
        return list(aggregate(cells))

    return make


@pytest.mark.parametrize(("axis", "better"), [(0, 0.4), (1, 1), (2, 0.4), (3, 0.6), (4, 0.4)])
def test_better_on_one_axis_and_equal_on_the_others_dominates(entries, axis, better):
    found = pareto(entries({"a": MIDDLE, "b": (*MIDDLE[:axis], better, *MIDDLE[axis + 1 :])}))
    assert found.dominated_by == {"a": ("b",), "b": ()}
    assert members(found) == ("b",)


def test_a_gain_for_a_loss_dominates_nothing(entries):
    assert members(pareto(entries({"a": MIDDLE, "b": (0.1, 0, 0.5, 0.49, 0.5)}))) == ("a", "b")


def test_equal_methods_do_not_dominate_each_other(entries):
    assert members(pareto(entries({"a": MIDDLE, "b": MIDDLE}))) == ("a", "b")
    rounding = (0.1 + 0.2, 0, 0.5, 0.5, 0.5)
    assert members(pareto(entries({"a": (0.3, 0, 0.5, 0.5, 0.5), "b": rounding}))) == ("a", "b")
    single = ((0.5, 0, 0.33104159047, 0.5, 0.5), (0.5, 0, 0.33104159073, 0.5, 0.5))  # rounding of float32
    assert members(pareto(entries(dict(zip("ab", single, strict=True))))) == ("a", "b")


def test_beyond_the_end_of_an_axis_counts(entries):
    """The radar's axes end at 1 nat and at 5 points; dominance does not."""
    found = pareto(entries({"a": (0.5, -20, 3, 0.5, 0.5), "b": (0.5, -10, 2, 0.5, 0.5)}))
    assert members(found) == ("b",)


def test_a_missing_measure_is_said(entries):
    found = pareto(entries({"a": MIDDLE, "b": (None, 0, 0.1, 0.5, None)}))
    assert found.dominated_by == {"a": ()}
    assert found.lacking == {"b": ("ghosting", "diversity")}


def test_means_over_data_sets_need_all_of_them(entries):
    cells = entries({"a": MIDDLE, "b": (0.6, 0, 0.5, 0.5, 0.5), "c": MIDDLE})
    cells += entries({"a": (0.9, 0, 0.5, 0.5, 0.5), "b": MIDDLE}, dataset="letters")
    found = pareto(cells)
    assert found.dominated_by == {"a": ("b",), "b": ()}  # means .7 and .55
    assert found.lacking == {"c": AXES}


def test_controls_and_the_reference_take_no_part(entries):
    cells = entries({"a": MIDDLE}) + entries({"b": (0, 1, 0, 1, 0)}, kind="control")
    cells += entries({"blackbox": (0, 1, 0, 1, 0)}, kind="reference")
    found = pareto(cells)
    assert (members(found), found.lacking) == (("a",), {})
