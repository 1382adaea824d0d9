import pytest

from sembench.errors import SembenchError
from sembench_leaderboard.ghosting.curve import Point, comparisons


@pytest.fixture(scope="module")
def make(build):
    """A cell of an explainer by name, with so many prototypes, of which so many are ghosted."""

    def cell(name, prototypes, ghosted, *, seed=0, label=None, accuracy=None, others=None, **where):
        scores = {"ghosting": build.scored("ghosting", [1] * ghosted + [0] * (prototypes - ghosted))}
        if accuracy is not None:
            scores["accuracy"] = build.scored("accuracy", accuracy)
        made = build.result(
            scores,
            explainer=label or f"{name}-{prototypes}",
            seed=seed,
            settings={"explainer": {"name": name}},
            **where,
        )
        own = {"prototypes_per_class": prototypes, "similarity": "distance"} | (others or {})
        return made.model_copy(update={"hyperparameters": own})

    return cell


def only(results):
    (comparison,) = comparisons(results)
    return comparison


def test_a_point_holds_sums_over_prototypes_for_each_seed_and_their_mean(make):
    results = [
        make("kmex", 10, 4, seed=1, accuracy=[1, 1, 1, 0]), make("kmex", 10, 1, seed=0, accuracy=[1, 0, 1, 0]),
    ]  # fmt: skip
    comparison = only(results)
    assert comparison.curves == {"kmex": [Point("kmex-10", 10, (0, 1), (1.0, 4.0), (0.5, 0.75))]}
    assert comparison.curves["kmex"][0].mean == 2.5
    assert (comparison.suite, comparison.dataset, comparison.left_out) == ("quick", "digits", {})
    assert comparison.definition == "How Ghosting is defined."


def test_points_follow_the_number_of_prototypes_and_not_the_name(make):
    sizes = (100, 20, 9, 1)
    curves = only([make("kmex", size, size // 2) for size in sizes]).curves
    assert [point.prototypes for point in curves["kmex"]] == [1, 9, 20, 100]


def test_the_order_of_results_changes_nothing(make):
    results = [make(name, size, 1, seed=seed) for name in "ab" for size in (2, 11) for seed in (0, 1)]
    assert comparisons(results) == comparisons(results[::-1])


def test_every_explainer_has_a_curve_of_its_own(make):
    assert list(only([make("kmex", 5, 0), make("flint", 5, 3)]).curves) == ["flint", "kmex"]


def test_other_hyperparameters_make_another_curve_named_after_what_differs(make):
    results = [
        make("kmex", size, size // 5, label=f"{label}-{size}", others={"similarity": similarity})
        for size in (5, 10)
        for label, similarity in (("plain", "distance"), ("kmex-log", "log"))
    ]
    curves = only([*results, make("flint", 5, 1, others={"similarity": "cosine"})]).curves
    assert list(curves) == ["flint", "kmex (similarity = distance)", "kmex (similarity = log)"]
    assert [point.entry for point in curves["kmex (similarity = log)"]] == ["kmex-log-5", "kmex-log-10"]


def test_a_hyperparameter_that_only_one_curve_has_names_that_curve(make):
    curves = only([make("kmex", 5, 1), make("kmex", 6, 1, others={"sizes": [1, 2], "log": True})]).curves
    assert list(curves) == ["kmex", "kmex (log = true, sizes = [1, 2])"]


def test_labels_are_the_same_on_all_data_sets_of_a_suite(make):
    results = [
        make("kmex", 5, 1), make("kmex", 5, 1, dataset="letters"),
        make("kmex", 5, 2, label="x", others={"similarity": "log"}),
    ]  # fmt: skip
    digits, letters = comparisons(results)
    assert list(letters.curves) == ["kmex (similarity = distance)"]
    assert set(digits.curves) == {"kmex (similarity = distance)", "kmex (similarity = log)"}


def test_a_control_is_called_one(make):
    assert list(only([make("kmex", 5, 1), make("chance", 5, 5, kind="control")]).curves) == ["chance (control)", "kmex"]


def test_seeds_with_different_numbers_of_prototypes_are_points_of_their_own(make):
    points = only([make("b4", 7, 2, seed=1, label="b4"), make("b4", 8, 1, seed=0, label="b4")]).curves["b4"]
    assert [(point.prototypes, point.seeds) for point in points] == [(7, (1,)), (8, (0,))]


def test_an_accuracy_that_some_seeds_lack_is_not_averaged(make):
    results = [make("kmex", 5, 1, seed=0, accuracy=[1]), make("kmex", 5, 1, seed=1)]
    assert only(results).curves["kmex"][0].accuracies == ()


def test_entries_without_a_score_are_left_out_with_the_reason(make, build):
    without = build.result({"ghosting": build.not_applicable("ghosting", "it has no prototypes")}, explainer="blackbox")
    unmeasured = build.result({"accuracy": build.scored("accuracy", [1])}, explainer="cnn")
    comparison = only([make("kmex", 5, 1), without, unmeasured])
    assert list(comparison.curves) == ["kmex"]
    assert comparison.left_out == {"blackbox": "it has no prototypes", "cnn": "ghosting was not measured"}


def test_suites_and_data_sets_are_kept_apart_and_those_without_a_score_skipped(make, build):
    unmeasured = build.result({"accuracy": build.scored("accuracy", [1])}, suite="another")
    results = [unmeasured, make("a", 2, 1, suite="s"), make("a", 2, 0, suite="s", dataset="d"), make("a", 2, 2)]
    assert [(c.suite, c.dataset) for c in comparisons(results)] == [("quick", "digits"), ("s", "d"), ("s", "digits")]


def test_no_score_at_all_says_what_was_looked_for_and_what_to_do(build):
    without = build.result({"ghosting": build.not_applicable("ghosting", "it has no prototypes")}, explainer="blackbox")
    message = r"'ghosting' in 1 results \(suites: quick\).*blackbox: it has no prototypes.*run --suite prototypes"
    with pytest.raises(SembenchError, match=message):
        comparisons([without])
