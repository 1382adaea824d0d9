"""Options of data sets: stated in a suite, passed to the loader, part of what a result answers."""

import dataclasses
from typing import Literal

import pytest
import torch

from sembench.data.augmentation import Augmentation
from sembench.data.declaration import CC_BY_4, declares
from sembench.data.sets.digits import digits
from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.registry import DATASETS
from sembench.results.result import read_result
from sembench.running.cache import Cache
from sembench.running.datasets import loader_of
from sembench.running.runner import Runner
from sembench.suites.plan import plan
from sembench.suites.suite import parse_suite

SUITE = """
name = "options"
title = "For tests"
seeds = [0]
metrics = ["accuracy", "attributes_captured", "attribute_correlation"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 1
learning_rate = 0.05
batch_size = 32
[evaluation]
explained_images = 4
steps = 2
[[datasets]]
name = "some-digits"
image_size = 33
[[datasets]]
name = "some-digits"
label = "few-digits"
image_size = 33
parameters = { count = 60 }
[[datasets]]
name = "some-digits"
label = "varied-digits"
image_size = 33
parameters = { varied = true }
[[datasets]]
name = "some-digits"
label = "told-digits"
image_size = 33
parameters = { with_attributes = true }
[[explainers]]
name = "kmex"
parameters = { prototypes_per_class = 1 }
"""


@DATASETS.register("some-digits")
@declares(CC_BY_4)
def some_digits(data_root, *, image_size=40, count=80, varied=False, with_attributes=False):
    """The first digits; their attribute is to be even."""
    whole = digits(image_size=image_size)
    made = {}
    for name in ("train", "test"):
        split = getattr(whole, name)
        made[name] = dataclasses.replace(split, pixels=split.pixels[:count], labels=split.labels[:count])
        if with_attributes:
            even = (made[name].labels % 2 == 0)[:, None]
            made[name] = dataclasses.replace(made[name], attributes=torch.cat([even, ~even], 1))
    made["train"] = dataclasses.replace(made["train"], augmentation=Augmentation() if varied else None)
    supports = frozenset(["attributes of images"]) if with_attributes else frozenset()
    return dataclasses.replace(whole, name="some-digits", supports=supports, **made)


class Silent:
    """A reporter that keeps what failed."""

    def __init__(self):
        self.errors = []

    def phase(self, run, text):
        pass

    def note(self, text):
        pass

    def finished(self, run, result, seconds):
        pass

    def failed(self, run, error):
        self.errors.append(error)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The results of the suite, by label of the data set."""
    folder = tmp_path_factory.mktemp("options")
    runs, reporter = plan(parse_suite(SUITE, "the test")), Silent()
    Runner(folder, Cache(folder / "cache"), folder, "cpu", reporter).run(runs)
    assert reporter.errors == []
    return {run.dataset: read_result(run.path(folder)) for run in runs}


def test_each_variant_has_a_place_of_its_own(ran):
    assert list(ran) == ["some-digits", "few-digits", "varied-digits", "told-digits"]
    assert len({result.identity for result in ran.values()}) == 4
    assert ran["few-digits"].settings["dataset"]["parameters"] == {"count": 60}
    sizes = [result.provenance.dataset_sizes["train"] for result in ran.values()]
    assert sizes == [80, 60, 80, 80]


def test_options_decide_the_numbers_and_labels_do_not():
    suite = parse_suite(SUITE, "the test")
    renamed = parse_suite(SUITE.replace('"few-digits"', '"fewer"'), "the test")
    assert [c.identity for c in plan(suite)] == [c.identity for c in plan(renamed)]
    other = parse_suite(SUITE.replace("count = 60", "count = 61"), "the test")
    assert [a.identity == b.identity for a, b in zip(plan(suite), plan(other), strict=True)] == [
        True,
        False,
        True,
        True,
    ]


def test_a_data_set_without_options_asks_the_same_question_as_before_there_were_any():
    (run,) = plan(parse_suite(SUITE, "the test"), datasets=["some-digits"])
    assert run.settings["dataset"] == {"name": "some-digits", "image_size": 33}


def test_seeds_are_those_of_the_data_set_and_not_of_its_label(ran):
    seeds = [result.provenance.seeds for result in ran.values()]
    assert seeds[0] == seeds[1] == seeds[2] == seeds[3]


def test_augmentation_changes_the_training_and_is_recorded(ran):
    """Both share one cache, and the same images: the trained network is not taken from the other."""
    plain, varied = ran["some-digits"].provenance, ran["varied-digits"].provenance
    assert (plain.dataset_augmentation, varied.dataset_augmentation) == ("none", str(Augmentation()))
    assert plain.dataset_sha256 == varied.dataset_sha256
    assert plain.backbone_sha256 != varied.backbone_sha256


def test_licence_is_recorded(ran):
    provenance = ran["few-digits"].provenance
    assert (provenance.dataset_licence, provenance.dataset_licence_open) == ("CC BY 4.0", True)


def test_attributes_are_scored_where_the_data_has_some_and_the_reason_names_the_data_elsewhere(ran):
    captured = ran["told-digits"].scores["attributes_captured"]
    assert captured.values == (1, 1)
    assert len(ran["told-digits"].scores["attribute_correlation"].values) == 2
    for name in ("attributes_captured", "attribute_correlation"):
        assert ran["some-digits"].scores[name].reason == "some-digits does not offer attributes of images"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "count = 60",
            "counts = 60",
            r"some-digits: got an unexpected keyword argument 'counts'. Options of",
        ),
        ("count = 60", "data_root = 60", "multiple values"),
        ("count = 60", "image_size = 60", "image_size stands among its parameters"),
    ],
)
def test_wrong_options_stop_before_anything_runs(tmp_path, old, new, message):
    def go():
        runs = plan(parse_suite(SUITE.replace(old, new), "the test"))
        Runner(tmp_path, Cache(tmp_path / "cache"), tmp_path, "cpu", Silent()).run(runs)

    with pytest.raises(SuiteInvalid, match=message):
        go()
    assert not (tmp_path / "options").exists()


def of_folder(parameters):
    """The run of a suite on the user's own folder."""
    text = SUITE[: SUITE.index("[[datasets]]")] + '[[explainers]]\nname = "kmex"\n[[datasets]]\nname = "folder"\n'
    return plan(parse_suite(f"{text}parameters = {{ {parameters} }}", "the test"))[0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ('path = "x", open_licence = "no"', "folder: the option open_licence is 'no'; accepted is bool"),
        ('path = "x", open_licence = 1', "the option open_licence is 1; accepted is bool"),
        ('path = "x", licence = 5', "the option licence is 5; accepted is str"),
        ('path = "x", test_share = "half"', "the option test_share is 'half'; accepted is float"),
        ('path = "x", split_seed = 1.5', "the option split_seed is 1.5; accepted is int"),
        ("path = 3", "the option path is 3; accepted is str"),
    ],
)
def test_an_option_of_another_type_is_named_with_its_value_and_what_is_accepted(parameters, message):
    with pytest.raises(SuiteInvalid, match=message):
        loader_of(of_folder(parameters))


def test_options_of_the_right_types_are_passed_on_as_they_are():
    given = 'path = "x", test_share = 1, open_licence = true, licence = "CC0", augment = false, split_seed = 7'
    assert loader_of(of_folder(given)).args[1] == {
        "path": "x", "test_share": 1, "open_licence": True, "licence": "CC0", "augment": False, "split_seed": 7,
    }  # fmt: skip


def with_classes(data_root, *, crop: Literal["whole", "box"] = "whole", names: "list[str] | None" = None): ...


def of_nothing_known(data_root, *, count: "NoSuchType" = 3): ...  # noqa: F821


def of_a_type_of_its_own(data_root, *, count: Silent = None): ...


@pytest.mark.parametrize(
    ("load", "parameters", "message"),
    [
        (with_classes, 'crop = "box", names = ["a", "b"]', None),
        (with_classes, 'crop = "boxes"', r"the option crop is 'boxes'; accepted is typing.Literal\['whole', 'box'\]"),
        (with_classes, 'names = "a"', r"the option names is 'a'; accepted is list\[str\] | None"),
        (of_nothing_known, "count = 3", None),
        (of_a_type_of_its_own, "count = 3", None),
    ],
)
def test_types_are_those_that_a_plugin_annotates(monkeypatch, load, parameters, message):
    monkeypatch.setitem(DATASETS._objects, "folder", load)
    if message is None:
        assert callable(loader_of(of_folder(parameters)))
        return
    with pytest.raises(SuiteInvalid, match=message):
        loader_of(of_folder(parameters))


def test_a_data_set_that_is_no_function_is_a_broken_plugin(monkeypatch):
    monkeypatch.setitem(DATASETS._objects, "folder", 7)
    with pytest.raises(PluginBroken, match="data set 'folder' is a int, not a function"):
        loader_of(of_folder('path = "x"'))


def test_two_data_sets_under_one_label_are_refused():
    with pytest.raises(SuiteInvalid, match="data set label some-digits stands there twice; give each entry a label"):
        parse_suite(SUITE.replace('label = "few-digits"\n', ""), "the test")
