"""Regions of a document show tables of a board; everything else stays as it was."""

import pytest

from sembench.errors import SembenchError
from sembench_leaderboard.board.embed import fill

BOARD = """# Board of the suite s

- how to read it

## All data sets

What this is.

**Accuracy**

| a |
|:--|
| 1 |

- (1) a note

**Ghosting**

| g |

## digits

- facts

### Predictions

| p |

### Controls

Entries with a known answer.

**Predictions**

| c |
"""
NAMED = "<!-- board: s / {} -->"


def filled(text):
    return fill(text, {"s": BOARD}.__getitem__)


def test_a_region_shows_the_named_tables_with_their_notes_in_its_order():
    start = NAMED.format("All data sets / Ghosting, Accuracy")
    text = f"before\n{start}\nold\n\n| rows |\n<!-- end of board -->\nafter\n"
    shown = "**Ghosting**\n\n| g |\n\n**Accuracy**\n\n| a |\n|:--|\n| 1 |\n\n- (1) a note"
    assert filled(text) == f"before\n{start}\n\n{shown}\n\n<!-- end of board -->\nafter\n"
    assert filled(filled(text)) == filled(text)


def test_several_regions_and_documents_without_any():
    one = NAMED.format("digits / Predictions") + "<!-- end of board -->"
    assert filled(f"{one}\nbetween\n{one}") == "\nbetween\n".join([filled(one)] * 2)
    assert filled("no region, | a table |") == "no region, | a table |"


def test_controls_do_not_take_the_place_of_the_tables_before_them():
    shown = filled(NAMED.format("digits / Predictions") + "<!-- end of board -->")
    assert "| p |" in shown
    assert "| c |" not in shown


@pytest.mark.parametrize(("text", "message"), [
    (NAMED.format("digits / Predictions"), "has no end"),
    (NAMED.format("digits / Predictions") + NAMED.format("digits / Predictions") + "<!-- end of board -->",
     "has no end"),
    ("<!-- board: s --><!-- end of board -->", "must read 'board: SUITE / SECTION / TABLE"),
    (NAMED.format("digits / Nothing") + "<!-- end of board -->",
     "no table 'digits' / 'Nothing'; it has All data sets / Accuracy; All data sets / Ghosting; digits / Predictions"),
    (NAMED.format("mnist / Predictions") + "<!-- end of board -->", "no table 'mnist' / 'Predictions'"),
])  # fmt: skip
def test_what_cannot_be_shown_is_refused(text, message):
    with pytest.raises(SembenchError, match=message):
        filled(text)
