import re
from pathlib import Path

import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.entries.consistency import refuse_mixed

A, B = Path("one/seed-0.json"), Path("two/seed-1.json")


@pytest.fixture
def cell(build):
    """A cell with one metric; keywords change the result."""

    def make(*, measure=None, **fields):
        score = build.scored("accuracy", [1, 0])
        if measure:
            score = score.model_copy(update={"measure": build.measure("accuracy", **measure)})
        changes = {key: fields.pop(key) for key in ("hyperparameters",) if key in fields}
        return build.result({"accuracy": score}, **fields).model_copy(update=changes)

    return make


def refusal(*results):
    with pytest.raises(ResultsMixed) as caught:
        refuse_mixed(zip((A, B), results, strict=True))
    text = str(caught.value)
    assert str(A) in text
    assert str(B) in text
    return text


def test_results_that_belong_together_pass(cell):
    refuse_mixed(
        [(A, cell(seed=0)), (B, cell(seed=1)), (Path("c"), cell(explainer="cnn")), (Path("d"), cell(dataset="mnist"))]
    )


def test_versions_of_a_metric(cell):
    text = refusal(cell(seed=0), cell(seed=1, measure={"version": 2}))
    assert re.search(r"mixed versions of metric 'accuracy': 1 in .*, 2 in ", text)
    assert "--refresh" in text


@pytest.mark.parametrize("metric", ["lrp_kl", "ro_auroc", "ro_auroc_gain"])
def test_old_and_new_numbers_of_a_metric_are_refused_with_what_to_do(build, metric):
    """Also of different entries on different data sets: one suite makes one board."""
    old, new = (build.scored(metric, [0.5]).measure.model_copy(update={"version": version}) for version in (1, 2))
    both = [
        build.result({metric: build.scored(metric, [0.5]).model_copy(update={"measure": own})}, **place)
        for own, place in ((old, {"explainer": "kmex"}), (new, {"explainer": "b4", "dataset": "letters", "seed": 1}))
    ]
    text = refusal(*both)
    assert f"mixed versions of metric '{metric}': 1 in {A}, 2 in {B}" in text
    assert text.endswith("Compute the older one again with `sembench run --refresh`, or move it to another folder.")


@pytest.mark.parametrize(("change", "shown"), [
    ({"direction": "lower"}, r"direction: 'higher' in .*, 'lower' in "),
    ({"upper": 2.0}, r"upper: 1\.0 in .*, 2\.0 in "),
    ({"note": "x" * 200}, r"note: 'How Accuracy is defined\.' in .*, 'x+\.\.\. in "),
])  # fmt: skip
def test_meanings_of_a_metric(cell, change, shown):
    text = refusal(cell(seed=0), cell(explainer="cnn", measure=change))
    assert re.search(rf"mixed meanings of metric 'accuracy', {shown}", text)


def test_two_results_of_one_cell(cell):
    assert "two results of quick/digits/kmex/seed-0" in refusal(cell(), cell())


def test_data_of_one_data_set(cell):
    text = refusal(cell(), cell(explainer="cnn", dataset_sha256="f" * 64))
    assert re.search(r"mixed data of 'digits' \(dataset_sha256\): 'd{64}' in .*, 'f{64}' in ", text)


def test_hyperparameters_between_seeds(cell):
    text = refusal(cell(seed=0), cell(seed=1, hyperparameters={"prototypes_per_class": 10}))
    assert re.search(r"mixed hyperparameters of 'kmex' on 'digits', prototypes_per_class: 5 in .*, 10 in ", text)


def test_settings_between_seeds_but_not_the_seed_itself(cell):
    text = refusal(cell(seed=0), cell(seed=1, settings={"training": {"epochs": 20}}))
    assert re.search(r"mixed settings of 'kmex' on 'digits', training\.epochs: 8 in .*, 20 in ", text)


def test_settings_that_only_one_of_them_has(cell):
    text = refusal(cell(seed=0), cell(seed=1, settings={"variants": True}))
    assert re.search(r"variants: nothing in .*, True in ", text)


def test_black_boxes_within_a_seed(cell):
    text = refusal(cell(), cell(explainer="cnn", backbone_sha256="a" * 64))
    assert re.search(r"mixed black boxes \(backbone_sha256\) on 'digits', seed 0: 'b{64}' in .*, 'a{64}' in ", text)
    refuse_mixed([(A, cell(seed=0)), (B, cell(seed=1, backbone_sha256="a" * 64))])


@pytest.mark.parametrize(
    "where",
    [
        {"device": "H100"},
        {"threads": 8},
        {"packages": {"torch": "2.10.0"}},
        {"hardware": {"processor": "another", "system": "Linux"}},
    ],
)
def test_black_boxes_may_differ_between_kinds_of_machines(cell, where):
    """Another machine rounds otherwise; each entry is compared with the black box that was trained beside it."""
    refuse_mixed([(A, cell()), (B, cell(explainer="cnn", backbone_sha256="a" * 64, **where))])


def test_explained_images_within_a_seed(cell):
    text = refusal(cell(), cell(explainer="cnn", explained=(7, 8)))
    assert re.search(r"mixed explained_images on 'digits', seed 0: 3 images \(1, 2, 3, \.\.\.\) in .*, 2 images ", text)


def test_kinds_of_an_entry(cell):
    assert re.search(
        r"mixed kinds of entry 'kmex': 'explainer' in .*, 'control'", refusal(cell(), cell(seed=1, kind="control"))
    )


def test_suites_do_not_meet(cell):
    refuse_mixed([(A, cell()), (B, cell(suite="full", measure={"version": 2}, dataset_sha256="f" * 64))])


def test_maps_made_in_two_ways_do_not_stand_in_one_column(cell):
    def asked(entry, backbone, **fields):
        return cell(explainer=entry, settings={"explainer": {"name": entry}, "backbone": backbone}, **fields)

    plain, other = asked("kmex", {"name": "vit"}), asked("b4", {"name": "vit", "attribution": "grad-cam"})
    text = refusal(plain, other)
    assert "mixed ways to make maps on 'digits': 'lrp' in" in text
    assert "'grad-cam' in" in text
    elsewhere = asked("b4", {"name": "vit", "attribution": "grad-cam"}, dataset="mnist")
    refuse_mixed([(A, plain), (B, elsewhere)])
    refuse_mixed([(A, plain), (B, asked("b4", {"name": "vit", "attribution": "lrp"}))])
    refuse_mixed([(A, plain), (B, asked("b4", ["no table"]))])
