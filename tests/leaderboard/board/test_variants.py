from sembench_leaderboard.board.contents import variant_tables
from sembench_leaderboard.entries.entry import aggregate


def cells(build, numbers, kind="explainer"):
    return [
        build.result(
            {"lrp_kl": build.scored("lrp_kl", [value], variants={"reverse": (reverse,)})}, explainer=name, kind=kind
        )
        for name, (value, reverse) in numbers.items()
    ]  # fmt: skip


def test_variants_stand_beside_the_primary_and_say_how_much_of_the_order_survives(build):
    results = cells(build, {"a": (0.1, 0.2), "b": (0.2, 0.4), "c": (0.3, 0.3), "d": (0.3, 0.9)})
    (table,) = variant_tables(aggregate([*results, *cells(build, {"z": (0.0, 9.0)}, "control")]))
    assert [column.title for column in table.columns] == ["LRP-KL", "reverse"]
    assert [[cell.text for cell in row.cells] for row in table.rows][:2] == [["0.100", "0.200"], ["0.200", "0.400"]]
    # Six pairs of explainers; c and d are equal, b and c change places. The control does not count.
    assert (table.rows[-1].label, table.rows[-1].cells[1].text) == ("pairs in the same order", "4 of 5")
    assert [row.label for row in table.rows] == ["a", "b", "c", "d", "z", "pairs in the same order"]


def test_an_entry_without_the_variant_has_a_dash_and_forms_no_pair(build):
    plain = build.result({"lrp_kl": build.scored("lrp_kl", [0.5])}, explainer="plain")
    (table,) = variant_tables(aggregate([*cells(build, {"a": (0.1, 0.2)}), plain]))
    assert [row.cells[1].text for row in table.rows] == ["0.200", "—", "—"]


def test_no_variants_no_tables(build):
    assert variant_tables(aggregate([build.result({"lrp_kl": build.scored("lrp_kl", [0.5])})])) == []
