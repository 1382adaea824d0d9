"""Agreement of a recomputed run: every value with the same weights, means within tolerance with others."""

import json
from pathlib import PurePosixPath

import pytest

from places import RESULTS
from sembench.results.result import Result
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.submission.agreement import TOLERANCE, compare
from sembench_leaderboard.submission.verify import lines

PATH = PurePosixPath("quick/digits/kmex/seed-0.json")
SOURCE = RESULTS / "quick/digits/kmex/seed-0.json"


@pytest.fixture
def changed():
    """The same result with a change to its JSON."""

    def make(change=lambda content: None):
        content = json.loads(SOURCE.read_text())
        change(content)
        return Result.model_validate_json(json.dumps(content))

    return make


UNSEEN = "only means are compared: an edit smaller than a metric's tolerance is not seen"


def forged_weights(content):
    content["provenance"]["model_sha256"] = "0" * 64


def elsewhere(content):
    content["provenance"]["threads"] = 8


def other_weights(content):
    """Those of another kind of machine."""
    forged_weights(content)
    elsewhere(content)


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
    here = changed().provenance.threads
    assert compare(changed(other_weights), changed()).notes == (f"other weights: threads {here} here, 8 there", UNSEEN)


def test_a_forged_result_does_not_escape_with_an_edited_hash_of_the_weights(changed):
    def forged(content):
        accuracy, gap = content["scores"]["accuracy"]["values"], content["scores"]["accuracy_gap"]["values"]
        wrong = accuracy.index(0)
        accuracy[wrong], gap[wrong] = 1, gap[wrong] + 100.0
        content["scores"]["lrp_kl"]["values"][7] *= 0.9
        forged_weights(content)

    agreement = compare(changed(forged), changed())
    ((field, problem, _),) = agreement.wrong
    assert field == "provenance.model_sha256"
    assert problem == "is not the hash of the weights here, although code, libraries and kind of machine are the same"
    assert lines(PATH, agreement)[0] == f"{PATH}: does not agree"


def test_a_forged_black_box_does_not_agree_either(changed):
    forged = changed(lambda c: c["provenance"].update(backbone_sha256="0" * 64))
    assert [field for field, _, _ in compare(forged, changed()).wrong] == ["provenance.backbone_sha256"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told["hardware"].update(processor="another"), "processor"),
        (lambda told: told["packages"].update(torch="1.0"), "torch"),
        (lambda told: told["packages"].update({"scikit-learn": "1.0"}), "scikit-learn"),
        (lambda told: told["sources"].update(explainer="0" * 64), "other source code"),
    ],
)
def test_another_machine_library_or_code_may_train_other_weights(changed, change, said):
    def act(content):
        forged_weights(content)
        change(content["provenance"])

    agreement = compare(changed(act), changed())
    assert (agreement.kind, agreement.wrong) == ("within tolerance", ())
    assert any(note.startswith(f"other weights: {said}") for note in agreement.notes)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["sources"].update({"metric lrp_kl": "0" * 64}),
        lambda told: told["hardware"].update(cores=64),
        lambda told: told.update(exceptions={"determinism": "trust me"}),
        lambda told: told.update(deterministic=False),
    ],
)
def test_what_trains_nothing_and_what_a_submission_says_of_itself_excuse_no_other_weights(changed, change):
    def act(content):
        forged_weights(content)
        change(content["provenance"])

    assert [field for field, _, _ in compare(changed(act), changed()).wrong] == ["provenance.model_sha256"]


@pytest.mark.parametrize("told", [{"exceptions": {"determinism": "it races"}}, {"deterministic": False}])
def test_an_explainer_or_a_device_that_repeats_nothing_is_held_to_the_tolerance(changed, told):
    here = changed(lambda content: content["provenance"].update(told))
    agreement = compare(changed(forged_weights), here)
    assert agreement.wrong == ()
    assert agreement.notes[0].startswith("other weights: ")


def test_the_black_box_is_the_same_whatever_the_explainer_s_weights_are(changed):
    def worse_black_box(content):
        gap = content["scores"]["accuracy_gap"]["values"]
        gap[gap.index(0.0)] = 100.0
        other_weights(content)

    ((field, problem, _),) = compare(changed(worse_black_box), changed()).wrong
    assert (field, problem) == (
        "scores.accuracy_gap", "makes the black box right or wrong on 1 other images, though its weights are the same",
    )  # fmt: skip


def with_variant(value, *also, name="reverse"):
    def change(content):
        content["scores"]["lrp_kl"]["variants"] = {name: [value] * 100}
        for act in also:
            act(content)

    return change


def test_a_variant_is_held_to_the_tolerance_too(changed):
    here, limit = changed(with_variant(1.0)), TOLERANCE["lrp_kl"]
    assert compare(changed(with_variant(1.0 + 0.9 * limit, other_weights)), here).wrong == ()
    ((field, problem, _),) = compare(changed(with_variant(1.0 + 1.1 * limit, other_weights)), here).wrong
    assert field == "scores.lrp_kl"
    assert problem.startswith("has the mean of variant reverse 1.143, recomputed 1: more than")


def test_variants_and_chance_levels_have_to_be_there_with_any_weights(changed):
    here = changed(with_variant(1.0))
    ((_, problem, _),) = compare(changed(with_variant(1.0, other_weights, name="positive")), here).wrong
    assert problem == "holds other series, or series of other lengths: variant positive, variant reverse"

    def no_chance(content):
        content["scores"]["lrp_kl"]["chance"] = None
        other_weights(content)

    ((_, problem, _),) = compare(changed(no_chance), changed()).wrong
    assert problem == "holds other series, or series of other lengths: chance level"


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
    assert agreement.notes == (f"other weights: threads {changed().provenance.threads} here, 8 there", UNSEEN)


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


def test_another_version_of_a_metric_cannot_be_compared(changed):
    (wrong,) = compare(
        changed(lambda content: content["scores"]["lrp_kl"]["measure"].update(version=1)),
        changed(lambda content: content["scores"]["lrp_kl"]["measure"].update(version=2)),
    ).wrong
    assert (wrong.field, wrong.text) == (
        "scores.lrp_kl", "is of version 1, recomputed version 2: the two cannot be compared",
    )  # fmt: skip


def test_levels_and_the_note_of_an_entry_are_compared(changed):
    def with_level(value, note=""):
        def change(content):
            score = content["scores"]["lrp_kl"]
            score |= {"levels": {"headless": [value] * len(score["values"])}, "note": note}

        return changed(change)

    assert compare(with_level(0.1), with_level(0.1)).wrong == ()
    (level,), (note,) = (compare(with_level(0.1), other).wrong for other in (with_level(0.2), with_level(0.1, "odd")))
    assert level.text.startswith("100 values differ, by up to 0.1")
    assert note.text == "says '', recomputed 'odd'"
