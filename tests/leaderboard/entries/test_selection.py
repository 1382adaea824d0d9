import pytest

from sembench_leaderboard.entries.selection import Missing, Selected, find, method, name_of


@pytest.fixture
def run(build):
    def make(label, name=None, seed=0, **hyperparameters):
        made = build.result({}, explainer=label, seed=seed, settings={"explainer": {"name": name or label}})
        return made.model_copy(update={"hyperparameters": {"similarity": "distance", "n_init": 1} | hyperparameters})

    return make


def test_a_method_is_found_by_its_explainers_name_and_in_the_order_of_seeds(run):
    runs = [run("mine", "kmex", seed=3), run("flint"), run("mine", "kmex", seed=1)]
    assert [(own.explainer, own.seed) for own in find(method("kmex"), runs).runs] == [("mine", 1), ("mine", 3)]
    assert name_of(runs[0]) == "kmex"


def test_of_several_entries_the_one_that_bears_the_name_is_the_plain_one(run):
    runs = [run("kmex-log", "kmex", similarity="log"), run("kmex")]
    assert [own.explainer for own in find(method("kmex"), runs).runs] == ["kmex"]
    assert [own.explainer for own in find(method("kmex", similarity="log"), runs).runs] == ["kmex-log"]


def test_a_variant_differs_from_the_plain_entry_in_nothing_else(run):
    runs = [run("kmex"), run("kmex-log", "kmex", similarity="log", n_init=5)]
    assert find(method("kmex", similarity="log"), runs) == Missing("no result of kmex (similarity = log)")
    assert find(method("kmex", n_init=5, similarity="log"), runs) == Selected((runs[1],))


def test_what_is_not_there_is_said_in_words(run):
    assert find(method("b4"), [run("kmex")]) == Missing("no result of b4")
    two = [run("kmex-1", "kmex", n_init=2), run("kmex-2", "kmex")]
    assert find(method("kmex"), two) == Missing("2 entries are kmex (kmex-1, kmex-2); label the plain one kmex")
    twins = [run("kmex"), run("a", "kmex", n_init=2), run("b", "kmex", n_init=2)]
    assert find(method("kmex", n_init=2), twins) == Missing("2 entries are kmex (n_init = 2); keep one of them")


def test_the_first_name_with_results_counts(run):
    either = method("protopnet-parts", "protopnet")
    assert find(either, [run("protopnet")]).label == "protopnet"
    assert find(either, [run("protopnet"), run("protopnet-parts")]).label == "protopnet-parts"
    assert find(either, [run("kmex")]) == Missing("no result of protopnet-parts or protopnet")
    assert either.title == "protopnet-parts or protopnet"
