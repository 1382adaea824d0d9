"""What counts as recomputed: every value with the same weights, means within tolerance with others."""

import json
from pathlib import Path, PurePosixPath

import pytest

from benchmark.results import Result
from leaderboard.submission.agreement import TOLERANCE, compare
from leaderboard.submission.declared import declared
from leaderboard.submission.report import lines

PATH = PurePosixPath("quick/digits/kmex/seed-0.json")
SOURCE = Path(__file__).parents[3] / "leaderboard/results/quick/digits/kmex/seed-0.json"


@pytest.fixture
def changed():
    """The same result with a change to its JSON."""

    def make(change=lambda content: None):
        content = json.loads(SOURCE.read_text())
        change(content)
        return Result.model_validate_json(json.dumps(content))

    return make


UNSEEN = "only means are compared: an edit smaller than a metric's tolerance is not seen"


def other_weights(content):
    content["provenance"]["model_sha256"] = "0" * 64


def add(metric, amount, *also):
    def change(content):
        values = content["scores"][metric]["values"]
        content["scores"][metric]["values"] = [value + amount for value in values]
        for act in also:
            act(content)

    return change


def test_a_result_agrees_with_itself_to_the_last_bit(changed):
    agreement = compare(changed(), changed())
    assert (agreement.kind, agreement.wrong, agreement.notes) == ("bit for bit", (), ())
    assert set(agreement.differences.values()) == {0.0}


def test_one_edited_value_is_caught_where_the_weights_are_the_same(changed):
    edited = changed(lambda c: c["scores"]["lrp_kl"]["values"].__setitem__(7, 0.0))
    ((field, problem, _),) = compare(edited, changed()).wrong
    assert field == "scores.lrp_kl"
    assert problem.startswith("1 values differ, by up to")


def test_an_edited_chance_level_is_caught(changed):
    edited = changed(lambda c: c["scores"]["lrp_kl"]["chance"].__setitem__(7, 5.0))
    assert [field for field, _, _ in compare(edited, changed()).wrong] == ["scores.lrp_kl"]


def test_an_edited_curve_is_caught_where_the_weights_are_the_same(changed):
    edited = changed(lambda c: c["scores"]["ro_auroc"]["details"]["curve"].__setitem__(7, 1.0))
    assert [field for field, _, _ in compare(edited, changed()).wrong] == ["scores.ro_auroc"]


def test_series_that_are_not_there_are_caught(changed):
    edited = changed(lambda c: c["scores"]["lrp_kl"].update(variants={"reverse": [0.0] * 100}))
    ((field, problem, _),) = compare(edited, changed()).wrong
    assert (field, problem) == ("scores.lrp_kl", "holds other series, or series of other lengths: variant reverse")


@pytest.mark.parametrize("also", [lambda content: None, other_weights])
def test_what_is_counted_has_to_be_the_same_with_any_weights(changed, also):
    def cheaper(content):
        content["cost"]["fit_images"] = 1
        content["cost"]["evaluation_passes"] -= 1
        also(content)

    fields = [field for field, _, _ in compare(changed(cheaper), changed()).wrong]
    assert fields == ["cost.fit_images", "cost.evaluation_passes"]


def test_passes_depend_on_the_batch_size_and_are_compared_within_one(changed):
    def other_batches(content):
        content["provenance"]["batch_size"] = 10
        content["cost"]["evaluation_passes"] *= 10

    assert compare(changed(other_batches), changed()).wrong == ()


def test_a_chance_level_is_held_to_the_tolerance_too(changed):
    def easier(content):
        other_weights(content)
        content["scores"]["lrp_kl"]["chance"] = [value + 0.2 for value in content["scores"]["lrp_kl"]["chance"]]

    ((field, problem, _),) = compare(changed(easier), changed()).wrong
    assert field == "scores.lrp_kl"
    assert problem.startswith("has the mean chance level")


def test_a_note_says_why_the_weights_differ(changed):
    def elsewhere(content):
        other_weights(content)
        content["provenance"]["threads"] = 8

    here = changed().provenance.threads
    assert compare(changed(elsewhere), changed()).notes == (f"other weights: threads {here} here, 8 there", UNSEEN)


def test_the_report_names_what_is_nearest_to_its_tolerance(changed):
    gap = add("lrp_kl", 0.1, add("alignment_out", 0.06, other_weights))  # less, but more of what is allowed
    (line, *_) = lines(PATH, compare(changed(gap), changed()))
    assert "agrees within tolerance; nearest to its tolerance is the mean of alignment_out: 0.06 apart, 0.07" in line


@pytest.mark.parametrize(("share", "caught"), [(0.9, False), (1.1, True)])
def test_with_other_weights_means_may_differ_by_the_tolerance(changed, share, caught):
    limit = TOLERANCE["lrp_kl"]
    agreement = compare(changed(add("lrp_kl", share * limit, other_weights)), changed())
    assert agreement.kind == "within tolerance"
    assert agreement.differences["lrp_kl"] == pytest.approx(share * limit)
    assert bool(agreement.wrong) == caught
    assert agreement.notes == ("other weights, although code and kind of machine are the same", UNSEEN)


def test_other_source_code_is_noted_not_refused(changed):
    agreement = compare(changed(lambda c: c["provenance"]["sources"].update(explainer="0" * 64)), changed())
    assert agreement.wrong == ()
    assert agreement.notes == ("computed by other source code than is here: explainer",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda c: c["provenance"].update(dataset_sha256="0" * 64), "provenance.dataset_sha256"),
        (lambda c: c.update(explained_images=c["explained_images"][::-1]), "explained_images"),
        (lambda c: c["hyperparameters"].update(n_init=10), "hyperparameters"),
        (lambda c: c["scores"].pop("ghosting"), "scores.ghosting"),
        (lambda c: c["scores"]["ghosting"]["values"].pop(), "scores.ghosting"),
    ],
)
def test_what_is_not_a_score_has_to_be_the_same(changed, change, field):
    assert [wrong[0] for wrong in compare(changed(change), changed()).wrong] == [field]


def test_every_metric_of_the_quick_suite_has_a_tolerance_of_its_own(changed):
    assert set(changed().scores) <= set(TOLERANCE) <= set(declared().measures)
