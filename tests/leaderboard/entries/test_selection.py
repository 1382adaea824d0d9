import pytest

from sembench_leaderboard.entries.selection import find, method, name_of


@pytest.fixture
def cell(build):
    def make(label, name=None, seed=0, **hyperparameters):
        made = build.result({}, explainer=label, seed=seed, settings={"explainer": {"name": name or label}})
        return made.model_copy(update={"hyperparameters": {"similarity": "distance", "n_init": 1} | hyperparameters})

    return make


def test_a_method_is_found_by_its_explainers_name_and_in_the_order_of_seeds(cell):
    cells = [cell("mine", "kmex", seed=3), cell("flint"), cell("mine", "kmex", seed=1)]
    assert [(own.explainer, own.seed) for own in find(method("kmex"), cells)] == [("mine", 1), ("mine", 3)]
    assert name_of(cells[0]) == "kmex"


def test_of_several_entries_the_one_that_bears_the_name_is_the_plain_one(cell):
    cells = [cell("kmex-log", "kmex", similarity="log"), cell("kmex")]
    assert [own.explainer for own in find(method("kmex"), cells)] == ["kmex"]
    assert [own.explainer for own in find(method("kmex", similarity="log"), cells)] == ["kmex-log"]


def test_a_variant_differs_from_the_plain_entry_in_nothing_else(cell):
    cells = [cell("kmex"), cell("kmex-log", "kmex", similarity="log", n_init=5)]
    assert find(method("kmex", similarity="log"), cells) == "no result of kmex (similarity = log)"
    assert find(method("kmex", n_init=5, similarity="log"), cells) == [cells[1]]


def test_what_is_not_there_is_said_in_words(cell):
    assert find(method("b4"), [cell("kmex")]) == "no result of b4"
    two = [cell("kmex-1", "kmex", n_init=2), cell("kmex-2", "kmex")]
    assert find(method("kmex"), two) == "2 entries are kmex (kmex-1, kmex-2); label the plain one kmex"
    twins = [cell("kmex"), cell("a", "kmex", n_init=2), cell("b", "kmex", n_init=2)]
    assert find(method("kmex", n_init=2), twins) == "2 entries are kmex (n_init = 2); keep one of them"


def test_the_first_name_with_results_counts(cell):
    either = method("protopnet-parts", "protopnet")
    assert find(either, [cell("protopnet")])[0].explainer == "protopnet"
    assert find(either, [cell("protopnet"), cell("protopnet-parts")])[0].explainer == "protopnet-parts"
    assert find(either, [cell("kmex")]) == "no result of protopnet-parts or protopnet"
    assert either.title == "protopnet-parts or protopnet"
