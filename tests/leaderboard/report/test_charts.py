"""The numbers behind the charts: the board's axes, intervals, and what is drawn at first."""

import pytest

from sembench_leaderboard.drawing.pens import COLOURS, MARKERS, pens
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.profile import AXES, outlines
from sembench_leaderboard.report.charts import chart_data


@pytest.fixture(scope="module")
def entries(synthetic_suite):
    return aggregate(synthetic_suite)


@pytest.fixture(scope="module")
def data(entries):
    return chart_data(entries)


def test_positions_are_those_of_the_board_s_radar(data, entries):
    assert [axis["name"] for axis in data["axes"]] == [axis.name for axis in AXES]
    methods = {method["name"]: method for method in data["methods"]}
    count = 0
    for dataset, group in outlines(entries).items():
        for outline in group:
            own = methods[outline.explainer]["on"][dataset]["profile"]
            for position, axis in zip(own, AXES, strict=True):
                expected = outline.profile[axis.name]
                assert position == (None if expected is None else pytest.approx(expected, rel=1e-5))
            count += 1
    assert count == 24


def test_gaps_and_qualities_carry_their_intervals(data, entries):
    titles = [quality["title"] for quality in data["qualities"]]
    assert titles == [
        "LRP-KL", "RO-AUROC", "RO gain", "Ghosting", "Diversity", "Class cosine", "Out-of-class cosine",
    ]  # fmt: skip
    ends = {"lower": 0, "upper": None}
    assert data["qualities"][0] == {"title": "LRP-KL", "unit": "nats", "direction": "lower", **ends}
    assert data["gap"] == {"lower": -100, "upper": 100}
    wanted = {e.metric: e for e in entries if (e.dataset, e.explainer) == ("letters", "b4")}
    own = next(method for method in data["methods"] if method["name"] == "b4")["on"]["letters"]
    for entry, numbers in [(wanted["accuracy_gap"], own["gap"]), (wanted["ghosting"], own["qualities"][3])]:
        assert numbers == pytest.approx([entry.value, entry.low, entry.high], rel=1e-5)


def test_what_does_not_apply_has_no_position_and_no_point(data):
    box = data["methods"][0]
    assert (box["name"], box["kind"]) == ("blackbox", "reference")
    assert box["on"]["digits"]["profile"][0] is None
    assert box["on"]["digits"]["qualities"][3] is None


def test_at_first_explainers_are_drawn_and_not_too_many(data, build):
    shown = [method["name"] for method in data["methods"] if method["shown"]]
    assert shown == ["blackbox", "b234", "b4", "cnn", "flint", "kmex", "protopnet", "protovae"]
    kinds = [method["kind"] for method in data["methods"]]
    assert kinds == ["reference", *["explainer"] * 7, "conversion", *["control"] * 3]
    many = chart_data(aggregate(build.suite([f"m{place:02}" for place in range(20)], ["digits"], [0])))
    assert sum(method["shown"] for method in many["methods"]) == 8


def test_a_method_without_any_axis_has_no_profile(build):
    data = chart_data(aggregate([build.result({"accuracy": build.scored("accuracy", [1, 0])})]))
    (method,) = data["methods"]
    assert data["gap"] == {"lower": None, "upper": None}
    assert method["on"]["digits"] == {"profile": None, "gap": None, "qualities": []}


def test_a_method_is_drawn_as_on_the_board(data, entries):
    on_board = pens(sorted({e.explainer for e in entries if e.kind == "explainer" and e.of is None}))
    own = {method["name"]: method["pen"] for method in data["methods"]}
    for name, pen in on_board.items():
        assert COLOURS[int(own[name]["style"].removeprefix("p"))][0] == pen.colour
        assert dict(MARKERS)[pen.marker] == own[name]["corners"]
        lengths = [float(length) / 1.8 for length in own[name]["dashes"].split()]
        assert lengths == pytest.approx([] if pen.dashes == "-" else pen.dashes[1])
    assert (own["blackbox"]["style"], own["blackbox"]["corners"]) == ("p-ref", None)
