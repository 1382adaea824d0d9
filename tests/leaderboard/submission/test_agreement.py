"""What counts as recomputed: every value with the same weights, means within tolerance with others."""

import json
from pathlib import Path

import pytest

from benchmark.results import Result
from leaderboard.submission.agreement import TOLERANCE, compare
from leaderboard.submission.declared import declared

SOURCE = Path(__file__).parents[3] / "leaderboard/results/quick/digits/kmex/seed-0.json"


@pytest.fixture
def changed():
    """The same result with a change to its JSON."""

    def make(change=lambda content: None):
        content = json.loads(SOURCE.read_text())
        change(content)
        return Result.model_validate_json(json.dumps(content))

    return make


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


@pytest.mark.parametrize(("share", "caught"), [(0.9, False), (1.1, True)])
def test_with_other_weights_means_may_differ_by_the_tolerance(changed, share, caught):
    limit = TOLERANCE["lrp_kl"]
    agreement = compare(changed(add("lrp_kl", share * limit, other_weights)), changed())
    assert agreement.kind == "within tolerance"
    assert agreement.differences["lrp_kl"] == pytest.approx(share * limit)
    assert bool(agreement.wrong) == caught
    assert agreement.notes == ("other weights, although code and kind of machine are the same",)


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
