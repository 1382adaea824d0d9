"""Free data only: kept in order, the rest named with its reason."""

import pytest

from sembench.errors import SembenchError
from sembench_leaderboard.board.facts import facts
from sembench_leaderboard.entries.load import on_free_data


def under(result, dataset, licence, free):
    """The same result on other data."""
    provenance = result.provenance.model_copy(update={"dataset_licence": licence, "dataset_licence_open": free})
    return result.model_copy(update={"dataset": dataset, "provenance": provenance})


def test_results_on_free_data_stay_and_the_others_are_named(build):
    one = build.result({})
    results = [under(one, "a", "MIT", True), under(one, "b", "research only", False), under(one, "c", "CC0", None)]
    kept, left_out = on_free_data([*results, results[0]])
    assert [result.dataset for result in kept] == ["a", "a"]
    assert left_out["b"] == "research only"
    assert "not recorded" in left_out["c"]


def test_nothing_left_is_an_error_that_says_why(build):
    with pytest.raises(SembenchError, match=r"no result stands on free data \(b: research only\). Leave out --licence"):
        on_free_data([under(build.result({}), "b", "research only", False)])


@pytest.mark.parametrize(
    ("free", "text"), [(True, "MIT (free)"), (False, "MIT (not free)"), (None, "MIT")], ids=["free", "not", "unknown"]
)
def test_the_board_says_whether_a_licence_is_free(build, free, text):
    assert dict(facts([under(build.result({}), "a", "MIT", free)]))["Licence of the data"] == text


def test_the_board_says_what_stands_behind_a_label(build):
    one = build.result({})
    spec = {"name": "quickdraw", "image_size": 32, "parameters": {"classes": ["ant", "cat"], "test_images": 9}}
    told = dict(facts([one.model_copy(update={"dataset": "two", "settings": {**one.settings, "dataset": spec}})]))
    assert told["Data set"] == "quickdraw (classes: ant cat; test_images: 9)"
    plain = {**one.settings, "dataset": {"name": one.dataset, "image_size": None}}
    assert "Data set" not in dict(facts([one.model_copy(update={"settings": plain})]))


def test_the_board_says_how_training_images_were_varied(build):
    one = build.result({})
    varied = one.provenance.model_copy(update={"dataset_augmentation": "flip .5"})
    assert "Augmentation in training" not in dict(facts([one]))
    told = dict(facts([one.model_copy(update={"provenance": varied})]))
    assert told["Augmentation in training"] == "flip .5"
