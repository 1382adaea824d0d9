import csv
import io

import pytest

from sembench_leaderboard.board.csv import FIELDS, rows, to_csv
from sembench_leaderboard.entries.entry import aggregate


@pytest.fixture
def entries(build):
    kl = build.scored("lrp_kl", [0.1, 0.2, 0.4], chance=1 / 3, variants={"reverse": (0.3, 0.3, 0.1)})
    missing = build.not_applicable("ghosting", 'no "prototypes",\nnone | at all')
    return aggregate(build.result({"lrp_kl": kl, "ghosting": missing}, seed=seed) for seed in (0, 2))


def test_one_row_per_number_and_variant(entries):
    assert [(row["metric"], row["variant"], row["status"]) for row in rows(entries)] == [
        ("lrp_kl", "", "scored"), ("lrp_kl", "reverse", "scored"), ("ghosting", "", "not applicable"),
    ]  # fmt: skip


def test_a_variant_claims_no_interval_and_no_chance_level(entries):
    variant = rows(entries)[1]
    assert variant["value"] == pytest.approx(0.7 / 3)
    assert (variant["low"], variant["high"], variant["chance"]) == (None, None, None)


def test_csv_keeps_nine_digits_and_every_word(entries):
    read = list(csv.DictReader(io.StringIO(to_csv(entries))))
    assert float(read[0]["value"]) == pytest.approx(entries[0].value, rel=1e-8)
    assert read[0]["chance"] == "0.333333333"
    assert read[0]["seeds"] == "0 2"
    assert read[0]["upper"] == ""  # unbounded
    assert read[2]["value"] == ""
    assert read[2]["reason"] == 'no "prototypes",\nnone | at all'
    assert read[0]["version"] == str(entries[0].measure.version)
    assert tuple(read[0]) == FIELDS


def test_levels_and_notes_of_entries_have_columns_where_there_are_any(build):
    kl = build.scored("lrp_kl", [0.1, 0.3], chance=0.5, levels={"headless": (0.2, 0.4)}, variants={"reverse": (1, 1)})
    noted = build.scored("ro_auroc", [0.5], note="its only map")
    found = to_csv(aggregate([build.result({"lrp_kl": kl, "ro_auroc": noted})]))
    primary, variant, auroc = csv.DictReader(io.StringIO(found))
    place = FIELDS.index("chance") + 1
    assert tuple(primary) == (*FIELDS[:place], "level_headless", *FIELDS[place:], "entry_note")
    assert (primary["level_headless"], variant["level_headless"], auroc["level_headless"]) == ("0.3", "", "")
    assert (primary["entry_note"], auroc["entry_note"]) == ("", "its only map")
