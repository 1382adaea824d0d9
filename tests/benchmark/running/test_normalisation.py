"""A network gets its images as it was trained, through whichever door it comes; where nobody says how, a note does."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from brought_along import OWN, by_hand
from sembench.backbones.wrapping import Rescale
from sembench.data.normalisation import Normalisation, measure_normalisation
from sembench.errors import SuiteInvalid
from sembench.relevance.propagation import black_box_relevance
from sembench.results.result import read_result
from sembench.running.black_box import adapt, backbone_of, rescaled
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import plan
from sembench.suites.suite import DatasetSpec, ExplainerSpec, parse_suite
from sembench.types import Trait
from sembench.workbench import Workbench

NOTE = "no mean and std were given for the network"
STATED = {"mean": OWN.mean, "std": OWN.std}


def adapted(brought, **settings):
    return adapt(brought.network, image_size=16, **settings)


def correct(fitted):
    return fitted.score("accuracy")["accuracy"].values


def test_the_workbench_has_the_accuracy_that_the_module_has_by_hand(brought):
    found = correct(Workbench(brought.data).fit("blackbox", adapted(brought, **STATED)))
    assert found == tuple((brought.predictions == brought.data.test.labels).double().tolist())


def test_without_mean_and_std_the_workbench_warns_once_of_what_it_assumed_and_how_good_that_is(brought):
    bench, network = Workbench(brought.data), adapted(brought)
    with pytest.warns(UserWarning, match=NOTE) as warned:
        fitted = bench.fit("blackbox", network)
    statistics = measure_normalisation(brought.data.train.pixels, 16)
    images = brought.data.test.load(torch.arange(360))
    wrong = by_hand(brought.network, images, statistics) == brought.data.test.labels
    assert correct(fitted) == tuple(wrong.double().tolist())
    accuracy = float(wrong.double().mean())
    assert accuracy < brought.accuracy - 0.1
    text = str(warned[0].message)
    assert f"an accuracy of {accuracy:.4f}" in text
    assert f"mean [{statistics.mean[0]:.4f}" in text
    assert f"std [{statistics.std[0]:.4f}" in text
    assert text in bench.notes
    assert NOTE in bench._repr_html_()
    bench.fit("kmex", network, prototypes_per_class=1)  # warnings are errors here


def test_a_folder_of_images_through_the_workbench(brought, as_files):
    bench = Workbench("folder", data_root=as_files.parent, path="digits", image_size=16)
    images, labels = bench.dataset.test.load(torch.arange(120)), bench.dataset.test.labels
    right = by_hand(brought.network, images) == labels
    assert correct(bench.fit("blackbox", adapted(brought, **STATED))) == tuple(right.double().tolist())
    assert float(right.double().mean()) > 0.8


class Recorder:
    def __init__(self):
        self.notes = []

    def phase(self, run, text): ...
    def note(self, text):
        self.notes.append(text)

    def finished(self, run, result, seconds): ...
    def failed(self, run, error):
        raise error


def ran(suite, tmp_path, as_files, backbone, *, seeds=(0,), explainers=("blackbox",), cache=None, **parameters):
    """Results and notes of a suite on the folder of digits."""
    data = DatasetSpec(name="folder", label="mine", image_size=16, parameters={"path": "digits", **parameters})
    entries = tuple(ExplainerSpec(name=name) for name in explainers)
    changed = {"backbone": backbone, "datasets": (data,), "explainers": entries, "seeds": seeds}
    runs, reporter = plan(suite.model_copy(update=changed)), Recorder()
    Runner(tmp_path, Cache(cache or tmp_path / "cache"), as_files.parent, "cpu", reporter).run(runs)
    return [read_result(run.path(tmp_path)) for run in runs], reporter.notes


def test_a_suite_has_that_accuracy_with_mean_and_std_and_a_note_without(tiny_suite, brought, as_files, tmp_path):
    spec = BackboneSpec(name=brought.name, weights=brought.weights, frozen=True)
    (told,), notes = ran(tiny_suite, tmp_path / "told", as_files, spec.model_copy(update=STATED))
    data = Workbench("folder", data_root=as_files.parent, path="digits", image_size=16).dataset
    right = by_hand(brought.network, data.test.load(torch.arange(120))) == data.test.labels
    assert told.scores["accuracy"].values == tuple(right.double().tolist())
    assert notes == list(told.provenance.notes) == []
    found, notes = ran(tiny_suite, tmp_path / "untold", as_files, spec, seeds=(0, 1), explainers=("blackbox", "kmex"))
    (said,) = notes  # one network, two seeds, two explainers: one note
    assert said.startswith(f"mine: {NOTE}")
    accuracy = np.mean(found[0].scores["accuracy"].values)
    assert f"an accuracy of {accuracy:.4f}" in said
    assert accuracy < float(right.double().mean()) - 0.1
    for result in found:
        assert [f"mine: {note}" for note in result.provenance.notes] == notes


def test_a_network_of_the_registry_with_initial_weights_assumes_nothing(tiny_suite, as_files, tmp_path):
    for spec in (BackboneSpec(name="resnet10-narrow", frozen=True), BackboneSpec(name="resnet10-narrow")):
        _, notes = ran(tiny_suite, tmp_path / str(spec.frozen), as_files, spec)
        assert not any(NOTE in note for note in notes)


def test_one_network_on_two_data_sets_is_right_on_both_and_never_normalised_twice(brought):
    network = adapted(brought, **STATED)
    dark = dataclasses.replace(
        brought.data.train, pixels=brought.data.train.pixels * 0.5,
        normalisation=measure_normalisation(brought.data.train.pixels * 0.5, 16),
    )  # fmt: skip
    darker = dataclasses.replace(
        brought.data, name="dark", train=dark,
        test=dataclasses.replace(brought.data.test, pixels=brought.data.test.pixels * 0.5,
                                 normalisation=dark.normalisation),
    )  # fmt: skip
    benches = [Workbench(brought.data), Workbench(darker)]
    expected = [
        tuple((by_hand(brought.network, d.test.load(torch.arange(360))) == d.test.labels).double().tolist())
        for d in (brought.data, darker)
    ]
    for _ in range(2):
        assert [correct(bench.fit("blackbox", network)) for bench in benches] == expected
    assert network.expects == OWN
    copies = [bench.fit("blackbox", network).backbone for bench in benches]
    for copied in copies:  # what comes out of one bench goes into both
        assert [correct(bench.fit("blackbox", copied)) for bench in benches] == expected


def test_equal_weights_with_other_images_are_another_black_box(brought):
    bench = Workbench(brought.data)
    first = bench.fit("blackbox", adapted(brought, **STATED)).reference
    other = bench.fit("blackbox", adapted(brought, mean=OWN.mean, std=(0.2, 0.3, 0.5))).reference
    assert first is not other
    assert bench.fit("kmex", adapted(brought, **STATED), prototypes_per_class=1).reference is first


@pytest.mark.parametrize("kind", [tuple, list, np.array, torch.tensor])
def test_mean_and_std_are_any_three_numbers(brought, kind):
    found = adapted(brought, mean=kind(OWN.mean), std=kind(OWN.std)).expects
    assert found.mean == pytest.approx(OWN.mean, abs=1e-6)
    assert found.std == pytest.approx(OWN.std, abs=1e-6)


IN_255 = "mean and std are of pixels in \\[0, 1\\]; of pixels in \\[0, 255\\], divide both by 255"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}, IN_255),
        ({"mean": (123.7, 116.3, 103.5), "std": (1.0, 1.0, 1.0)}, IN_255),
        ({"mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)}, IN_255),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std of the network's input go together"),
        ({"std": (0.5, 0.5, 0.5)}, "mean and std of the network's input go together"),
        ({"mean": 0.5, "std": 0.5}, "mean"),
        ({"mean": (0.5,), "std": (0.5,)}, "mean"),
        ({"mean": (0.5, 0.5, float("nan")), "std": (0.5, 0.5, 0.5)}, "mean"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.0)}, "std"),
        ({"mean": "abc", "std": "abc"}, "mean"),
        ({"attribution": "magic"}, "attribution"),
        ({"embedding": "magic"}, "embedding"),
    ],
)
def test_what_cannot_be_a_normalisation_is_refused_by_name_in_every_door(brought, tiny_suite, settings, reason):
    with pytest.raises(SuiteInvalid, match=reason):
        adapted(brought, **settings)
    with pytest.raises(SuiteInvalid, match=reason):
        Workbench(brought.data).train("resnet10-narrow", epochs=0, **settings)
    lines = "\n".join(f"{key} = {list(v) if isinstance(v, tuple) else repr(v)}" for key, v in settings.items())
    text = f'name = "x"\ntitle = "x"\nseeds = [0]\nmetrics = ["accuracy"]\n[backbone]\nname = "resnet34"\n{lines}\n'
    text += (
        '[training]\nepochs = 1\nlearning_rate = 0.1\n[[datasets]]\nname = "digits"\n[[explainers]]\nname = "kmex"\n'
    )
    with pytest.raises(SuiteInvalid, match=reason):
        parse_suite(text, "the test")


def test_pixels_from_0_to_255_are_a_std_of_one_255th(brought):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    given = brought.data.train.normalisation
    backbone = rescaled(adapt(network, image_size=16, mean=(0, 0, 0), std=(1 / 255,) * 3), given)
    pixels = brought.data.test.load(torch.arange(4))
    torch.testing.assert_close(backbone(given(pixels)), network(255 * pixels), rtol=1e-4, atol=1e-3)


def test_a_second_step_in_front_is_not_taken_and_a_renewed_network_has_the_first(brought):
    given, other = Normalisation((0.3,) * 3, (0.2,) * 3), Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    backbone = adapted(brought, **STATED)
    images = torch.rand(3, 3, 16, 16)
    expected = brought.network(OWN(images))
    for normalisation in (given, given, other):
        rescaled(backbone, normalisation)
        for own in (backbone, backbone.renewed().eval()):
            torch.testing.assert_close(own(normalisation(images)), expected, rtol=1e-3, atol=1e-3)
    assert sum(isinstance(part, Rescale) for part in backbone.modules()) == 2
    assert not backbone.blocks[0].training


def test_a_suite_and_the_workbench_put_the_same_step_in_front(brought):
    given = brought.data.train.normalisation
    spec = BackboneSpec(name=brought.name, weights=brought.weights, frozen=True, **STATED)
    suites = backbone_of(spec, 10, image_size=16, normalisation=given).eval()
    images = brought.data.test.batch(torch.arange(5)).images
    torch.testing.assert_close(suites(images), rescaled(adapted(brought, **STATED), given)(images))
    assert suites.expects == given


class Around(nn.Module):
    """The workaround of users: a module that normalises and hands on."""

    def __init__(self, network, given):
        super().__init__()
        self.network = network
        for name, values in {"m": given.mean, "s": given.std, "mean": OWN.mean, "std": OWN.std}.items():
            self.register_buffer(name, torch.tensor(values)[None, :, None, None])

    def forward(self, x):
        return self.network((x * self.s + self.m - self.mean) / self.std)


def test_a_module_that_normalises_around_the_network_has_the_same_maps(brought):
    given = brought.data.train.normalisation
    around = adapt(Around(brought.network, given), image_size=16)
    told = rescaled(adapted(brought, **STATED), given)
    images = brought.data.test.batch(torch.arange(6)).images
    torch.testing.assert_close(around(images), told(images), rtol=1e-3, atol=1e-3)
    assert Trait.RELEVANCE not in told.lacks
    assert Trait.RELEVANCE not in around.lacks
    maps = [black_box_relevance(backbone, images, bias="zero").flatten(1) for backbone in (around, told)]
    assert torch.cosine_similarity(*maps).min() > 0.9999
