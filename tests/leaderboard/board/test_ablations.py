import xml.etree.ElementTree as ET

import matplotlib
import pytest
from matplotlib.text import Text

from sembench.errors import SembenchError
from sembench_leaderboard.board.ablations import ablations, rendered, sheet
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.profile import outlines


@pytest.fixture
def entries(build):
    """KMEx, two variants of its similarity, one of its prototypes, one that differs twice, and another method."""

    def make(datasets=("digits",)):
        found = []
        for label, changed in {
            "kmex": {}, "kmex-log": {"similarity": "log"}, "kmex-exp": {"similarity": "exp"},
            "kmex-L1": {"prototypes_per_class": 1}, "kmex-both": {"similarity": "log", "prototypes_per_class": 1},
        }.items():  # fmt: skip
            for cell in build.suite([label], datasets, [0]):
                plain = {"prototypes_per_class": 5, "similarity": "distance"}
                settings = {**cell.settings, "explainer": {"name": "kmex"}}
                update = {"hyperparameters": plain | changed, "settings": settings}
                found.append(cell.model_copy(update=update))
        return [*found, *build.suite(["flint", "blackbox"], datasets, [0])]

    return make


def words(drawn):
    return " ".join(" ".join(text.get_text() for text in drawn.figure.findobj(Text)).split())


def test_entries_that_differ_in_one_hyperparameter_are_grouped_by_it(entries):
    found = {ablation.parameter: ablation for ablation in ablations(entries())}
    assert set(found) == {"similarity", "prototypes_per_class"}
    assert found["similarity"].plain == ("kmex", "distance")
    assert found["similarity"].variants == {"kmex-log": "log", "kmex-exp": "exp"}
    assert found["prototypes_per_class"].variants == {"kmex-L1": "1"}


def test_a_recipe_that_depends_on_the_data_set_is_no_choice_of_its_own(build):
    cells = [
        cell.model_copy(update={"hyperparameters": {"epochs": 10 if cell.dataset == "digits" else 20}})
        for cell in build.suite(["protovae"], ("digits", "letters"), [0])
    ]
    assert ablations(cells) == []


def test_a_panel_for_each_hyperparameter_and_a_pen_for_each_entry(entries):
    results = entries()
    drawn = sheet("quick", "digits", ablations(results), outlines(aggregate(results))["digits"])
    said = words(drawn)
    for text in ("similarity (plain: distance)", "prototypes_per_class (plain: 5)", "kmex (plain)", "kmex-exp"):
        assert text in said
    assert "kmex-both" not in said
    assert "flint" not in said


def test_with_several_data_sets_there_is_a_chart_of_each_and_of_the_average(entries):
    files = rendered(entries(("digits", "letters")))
    names = {f"quick/ablations-{name}.{form}" for name in ("digits", "letters", "average") for form in ("png", "svg")}
    assert set(files) == names
    ET.fromstring(files["quick/ablations-average.svg"])


def test_the_same_bytes_whatever_the_users_settings(entries):
    first = rendered(entries())
    with matplotlib.rc_context({"font.family": "monospace"}):
        before = dict(matplotlib.rcParams)
        assert rendered(entries()) == first
        assert dict(matplotlib.rcParams) == before


def test_without_variants_it_is_refused(build):
    with pytest.raises(SembenchError, match="sembench run --suite ablations"):
        rendered(build.suite(["kmex", "flint"], ["digits"], [0]))
