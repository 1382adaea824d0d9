import pytest

from sembench_leaderboard.board.contents import score_tables
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.tables.table import COMPARED, CONTROLS, Cell, Column


@pytest.fixture
def entries(build):
    """A reference, two explainers and a control under six metrics with known numbers."""

    def cell(explainer, kind, *, ghosting, kl, other):
        scores = {
            "accuracy": build.scored("accuracy", [1, 1, 1, 1], chance=0.1),
            "accuracy_gap": build.scored("accuracy_gap", [0, 0]),
            "lrp_kl": build.scored("lrp_kl", [kl, kl, kl], chance=(0.1, 0.2, other)),
            "ghosting": ghosting,
            "zest": build.scored("zest", [2.5, 2.5, 2.5]),
        }
        return build.result(scores, explainer=explainer, kind=kind)

    scored = build.scored("ghosting", [1, 0])
    return aggregate([
        cell("blackbox", "reference", ghosting=build.not_applicable("ghosting", "no prototypes"), kl=0, other=0.3),
        cell("cnn", "explainer", ghosting=build.not_applicable("ghosting", "columns"), kl=0, other=0.6),
        cell("kmex", "explainer", ghosting=scored, kl=0.5, other=0.9),
        cell("collapsed", "control", ghosting=build.not_applicable("ghosting", "columns"), kl=0.5, other=0.9),
    ])  # fmt: skip


def test_measures_are_grouped_by_what_they_are_about(entries):
    tables = {table.heading: table for table in score_tables(entries, COMPARED)}
    assert list(tables) == ["Predictions", "Explanations", "Prototypes"]
    assert tables["Predictions"].columns == (
        Column("Accuracy", "higher", "%"),
        Column("Accuracy gap", "higher", "points"),
    )
    assert [row.label for row in tables["Predictions"].rows] == ["blackbox (reference)", "cnn", "kmex", "by chance"]


def test_a_third_partys_metric_gets_a_column_after_the_known_ones(entries):
    titles = [column.title for column in score_tables(entries, COMPARED)[1].columns]
    assert titles == ["LRP-KL", "by chance", "Zest"]


def test_a_common_chance_level_is_a_row(entries):
    *_, row = score_tables(entries, COMPARED)[0].rows
    assert row.aside
    assert row.cells == (Cell("10.0"), Cell("—"))


def test_a_measured_chance_level_is_a_column_beside_the_score(entries):
    explanations = score_tables(entries, COMPARED)[1]
    kmex = explanations.rows[2]
    assert kmex.cells == (Cell("0.500 [0.500, 0.500]"), Cell("0.400"), Cell("+2.50 [+2.50, +2.50]"))
    assert not any(row.aside for row in explanations.rows)


def test_what_does_not_apply_refers_to_a_numbered_reason(entries):
    prototypes = score_tables(entries, COMPARED)[2]
    assert [row.cells[0] for row in prototypes.rows][:2] == [Cell("n/a", 0), Cell("n/a", 1)]
    assert prototypes.notes == ("no prototypes", "columns")


def test_controls_stand_apart_under_the_same_columns(entries):
    compared, controls = score_tables(entries, COMPARED), score_tables(entries, CONTROLS)
    assert [table.columns for table in controls] == [table.columns for table in compared]
    assert [row.label for row in controls[2].rows] == ["collapsed"]
    assert controls[2].notes == ("columns",)


def test_without_controls_there_are_no_tables_of_them(entries):
    assert score_tables([entry for entry in entries if entry.kind != "control"], CONTROLS) == []


def test_a_score_that_was_not_taken_is_a_dash_not_a_number(entries):
    some = [entry for entry in entries if (entry.explainer, entry.metric) != ("cnn", "lrp_kl")]
    assert score_tables(some, COMPARED)[1].rows[1].cells[:2] == (Cell("—"), Cell("—"))


def test_seeds_are_named_only_where_entries_differ_in_them(build):
    def cell(explainer, seed):
        return build.result({"accuracy": build.scored("accuracy", [1, 0])}, explainer=explainer, seed=seed)

    even = aggregate([cell("a", 0), cell("a", 1), cell("b", 0), cell("b", 1)])
    odd = aggregate([cell("a", 0), cell("a", 1), cell("b", 1)])
    assert [row.label for row in score_tables(even, COMPARED)[0].rows] == ["a", "b"]
    assert [row.label for row in score_tables(odd, COMPARED)[0].rows] == ["a, seeds 0 1", "b, seeds 1"]
