import pytest

from sembench.errors import SembenchError
from sembench_leaderboard.prototypes.curve import Point, comparisons


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


@pytest.fixture(scope="module")
def shown(build):
    """A cell with attributes: how many of four its prototypes capture, and the errors of the correlations."""

    def cell(name, prototypes, captured, errors, **where):
        of = name.partition("(")[2].removesuffix(")")
        scores = {
            "ghosting": build.scored("ghosting", [0] * prototypes),
            "attributes_captured": build.scored("attributes_captured", [1] * captured + [0] * (4 - captured)),
            "attribute_correlation": build.scored("attribute_correlation", errors),
        }
        made = build.result(
            scores, explainer=f"{name}-{prototypes}", settings={"explainer": {"name": name}}, **where
        )  # fmt: skip
        own = {"prototypes_per_class": prototypes // 2}
        own |= {"of": of, "base": {"prototypes_per_class": prototypes // 2, "epochs": 6}} if of else {}
        return made.model_copy(update={"hyperparameters": own})

    return cell


def alone(results):
    """The one comparison, and its one quantity."""
    (comparison,) = comparisons(results)
    (part,) = comparison.parts
    return comparison, part


def only(results):
    return alone(results)[1]


def test_a_point_holds_sums_over_prototypes_for_each_seed_and_their_mean(make):
    results = [
        make("kmex", 10, 4, seed=1, accuracy=[1, 1, 1, 0]), make("kmex", 10, 1, seed=0, accuracy=[1, 0, 1, 0]),
    ]  # fmt: skip
    comparison, part = alone(results)
    assert part.curves == {"kmex": [Point("kmex-10", 10, (0, 1), (1.0, 4.0), (0.5, 0.75))]}
    assert part.curves["kmex"][0].mean == 2.5
    assert (comparison.suite, comparison.dataset, part.left_out) == ("quick", "digits", {})
    assert part.measure.note == "How Ghosting is defined."


def test_attributes_are_counted_and_errors_of_their_correlations_averaged(shown):
    """[K] Fig. 5: three of four attributes; a mean absolute error of (.1 + .3 + .2 + .2) / 4."""
    (comparison,) = comparisons([shown("kmex", 6, 3, [0.1, 0.3, 0.2, 0.2])])
    ghosts, captured, error = comparison.parts
    points = [part.curves["kmex"][0] for part in comparison.parts]
    assert [(point.prototypes, point.values) for point in points] == [
        (6, (0,)), (6, (3,)), (6, (pytest.approx(0.2),)),
    ]  # fmt: skip
    assert (ghosts.units, captured.units, error.units) == (6, 4, 4)
    assert [part.measure.direction for part in comparison.parts] == ["lower", "higher", "lower"]


def test_conversions_vary_with_what_they_convert_and_stand_apart_with_kmex_of_the_black_box(shown):
    """One curve, although each point's base was trained with another number of prototypes."""
    sizes, names = (2, 6), ("kmex", "flint", "kmex(flint)")
    (comparison,) = comparisons([shown(name, size, size // 2, [0.5]) for name in names for size in sizes])
    assert comparison.labels == ["flint", "kmex", "kmex(flint)"]
    assert comparison.conversions == {"kmex", "kmex(flint)"}
    for part in comparison.parts:
        assert [point.prototypes for point in part.curves["kmex(flint)"]] == [2, 6]


def test_without_conversions_nothing_stands_apart(shown):
    (comparison,) = comparisons([shown("kmex", 2, 1, [0.5]), shown("flint", 2, 1, [0.5])])
    assert comparison.conversions == set()


def test_without_a_score_for_each_prototype_their_number_is_not_known(shown, build):
    unknown = build.result({"attributes_captured": build.scored("attributes_captured", [1, 0])}, explainer="b4")
    (comparison,) = comparisons([shown("kmex", 2, 1, [0.5]), unknown])
    assert comparison.parts[1].left_out == {"b4": "no score tells how many prototypes it has; measure ghosting"}
    with pytest.raises(SembenchError, match="b4: ghosting was not measured"):
        comparisons([unknown])


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
    digits, letters = (comparison.parts[0] for comparison in comparisons(results))
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
    part = only([make("kmex", 5, 1), without, unmeasured])
    assert list(part.curves) == ["kmex"]
    assert part.left_out == {"blackbox": "it has no prototypes", "cnn": "ghosting was not measured"}


def test_suites_and_data_sets_are_kept_apart_and_those_without_a_score_skipped(make, build):
    unmeasured = build.result({"accuracy": build.scored("accuracy", [1])}, suite="another")
    results = [unmeasured, make("a", 2, 1, suite="s"), make("a", 2, 0, suite="s", dataset="d"), make("a", 2, 2)]
    assert [(c.suite, c.dataset) for c in comparisons(results)] == [("quick", "digits"), ("s", "d"), ("s", "digits")]


def test_no_score_at_all_says_what_was_looked_for_and_what_to_do(build):
    without = build.result({"ghosting": build.not_applicable("ghosting", "it has no prototypes")}, explainer="blackbox")
    message = (
        r"'ghosting', .* in 1 results \(suites: quick\).*blackbox: it has no prototypes.*run --suite open-prototypes"
    )
    with pytest.raises(SembenchError, match=message):
        comparisons([without])
