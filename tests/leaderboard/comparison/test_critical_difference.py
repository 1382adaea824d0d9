import re

import pytest

from sembench_leaderboard.comparison.critical_difference import diagram
from sembench_leaderboard.comparison.ranking import Ranking
from sembench_leaderboard.statistics.ranks import friedman

NAMES = ("kmex", "flint", "b4", "<b>&$x_1$")


@pytest.fixture
def drawn(build):
    def make(rows, names=NAMES):
        measure = build.measure("ro_auroc")
        datasets = tuple(f"set{number}" for number in range(len(rows)))
        own = friedman(rows)
        return diagram("quick", Ranking("ro_auroc", measure, datasets, names, (), own, ""), own)

    return make


def texts(svg):
    """Words that the figure was asked to show, in order: matplotlib keeps them as comments."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", svg.decode(), re.DOTALL)]


def test_every_method_has_its_name_and_mean_rank(drawn):
    files = drawn([[4, 3, 2, 1]] * 6)
    assert list(files) == ["critical-difference-ro_auroc.png", "critical-difference-ro_auroc.svg"]
    shown = texts(files["critical-difference-ro_auroc.svg"])
    assert {"kmex  1.00", "flint  2.00", "3.00  b4", "CD = 1.91"} <= set(shown)
    assert "Suite quick: RO-AUROC" in shown
    assert b"\x89PNG" in files["critical-difference-ro_auroc.png"][:4]


def test_it_says_where_no_pair_can_be_told_apart(drawn):
    shown = texts(drawn([[4, 3, 2, 1]] * 2)["critical-difference-ro_auroc.svg"])
    assert "CD = 3.32, longer than the line: no pair can be told apart" in shown
    assert "pairs are not to be read" in " ".join(shown)


def test_bars_of_the_diagram_are_the_groups(drawn):
    """Thick lines in the SVG: three bars where neighbours are not told apart, none where all are."""
    width = "stroke-width: 3.2"
    assert drawn([[4, 3, 2, 1]] * 6)["critical-difference-ro_auroc.svg"].count(width.encode()) == 3
    assert drawn([[4, 3, 2, 1]] * 40)["critical-difference-ro_auroc.svg"].count(width.encode()) == 0


def test_the_same_ranks_give_the_same_bytes(drawn):
    assert drawn([[4, 3, 2, 1], [1, 2, 3, 4]]) == drawn([[4, 3, 2, 1], [1, 2, 3, 4]])
