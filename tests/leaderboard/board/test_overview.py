"""All data sets side by side: every number is an entry's, and nothing is left out."""

import pytest

from sembench_leaderboard.board.contents import overview_tables
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.tables import numbers


@pytest.fixture(scope="module")
def entries(synthetic_suite):
    return aggregate(synthetic_suite)


def test_every_cell_is_the_mean_and_interval_of_its_entry(entries):
    found = {table.heading: table for table in overview_tables(entries)}
    by_place = {(e.measure.title, e.explainer, e.dataset): e for e in entries if e.kind == "explainer"}
    checked = 0
    for (title, explainer, dataset), entry in by_place.items():
        if title not in found or entry.value is None:
            continue
        table = found[title]
        place = [column.title for column in table.columns].index(dataset)
        (row,) = [row for row in table.rows if row.label == explainer]
        assert row.cells[place].text == numbers.with_interval(entry.value, entry.low, entry.high, entry.measure)
        checked += 1
    assert checked > 20


def test_measures_come_in_the_order_of_the_board_without_controls(entries):
    tables = overview_tables(entries)
    assert [table.heading for table in tables] == [
        "Accuracy", "Accuracy gap", "LRP-KL", "RO-AUROC", "RO gain", "Ghosting", "Diversity",
    ]  # fmt: skip
    controls = {entry.explainer for entry in entries if entry.kind == "control"}
    assert controls
    for table in tables:
        assert not controls & {row.label for row in table.rows}
        assert table.rows[0].label.endswith("(reference)")


def test_one_data_set_has_no_overview(entries):
    assert overview_tables([entry for entry in entries if entry.dataset == "digits"]) == []


def test_what_was_not_run_and_what_does_not_apply_are_told_apart(build):
    nothing = build.not_applicable("ghosting", "it has no prototypes")
    results = [
        build.result({"ghosting": build.scored("ghosting", [0, 1])}, dataset="digits"),
        build.result({"ghosting": nothing}, dataset="letters"),
        build.result({"ghosting": build.scored("ghosting", [0, 0])}, dataset="letters", explainer="flint"),
    ]
    (table,) = overview_tables(aggregate(results))
    cells = {row.label: [cell.text for cell in row.cells] for row in table.rows}
    assert cells["flint"][0] == "—"
    assert cells["kmex"][1] == "n/a"
    assert table.notes == ("it has no prototypes",)
