"""A network of the user's through everything: by file and weights, trained or frozen, measured, recorded, cached."""

from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision.models import vgg

from sembench.backbones.custom import own_network
from sembench.backbones.wrapping import Rescale
from sembench.cli.inspection import inspect_network
from sembench.data.normalisation import Normalisation
from sembench.errors import BackboneUnfit, PluginBroken, SuiteInvalid
from sembench.plugins.registry import BACKBONES
from sembench.results.result import read_result
from sembench.running.black_box import backbone_of
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.seeding import isolated
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import plan
from sembench.suites.sources import source_hash
from sembench.suites.suite import ExplainerSpec

HALVES = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
PLAIN = Normalisation((0.0,) * 3, (1.0,) * 3)


class Strict:
    def phase(self, run, text): ...
    def note(self, text):  # of networks that are hardly trained, or not at all, or given without mean and std
        assert "the black box is right on" in text or "no mean and std were given" in text

    def finished(self, run, result, seconds): ...
    def failed(self, run, error):
        raise error


def ran(suite, spec, out, *, explainers, epochs=1, parameters=None):
    """The results of these explainers on a suite with another backbone."""
    training = suite.training.model_copy(update={"epochs": epochs})
    entries = tuple(ExplainerSpec(name=name, parameters=(parameters or {}).get(name, {})) for name in explainers)
    changed = suite.model_copy(update={"backbone": spec, "training": training, "explainers": entries})
    runs = plan(changed)
    Runner(out, Cache(out / "cache"), out, "cpu", Strict()).run(runs)
    return {run.entry: read_result(run.path(out)) for run in runs}


def applicable(result):
    return {name for name, score in result.scores.items() if score.status == "scored"}


SMALL = {name: {"prototypes_per_class": 2} for name in ("kmex", "b3", "b23")} | {
    "protopnet": {"warm_epochs": 0, "joint_epochs": 1, "last_epochs": 1, "prototypes_per_class": 2},
    "flint": {"epochs": 1, "prototypes_per_class": 1},
    "protovae": {"epochs": 1, "prototypes_per_class": 1, "encoder": "backbone", "latent": 16},
    "kmex(flint)": {"prototypes_per_class": 2, "base": {"epochs": 1, "prototypes_per_class": 1}},
}


@pytest.mark.slow
def test_every_explainer_and_metric_works_on_a_network_of_the_common_form(tiny_suite, own_file, tmp_path):
    names = ("blackbox", "cnn", "kmex", "b3", "b23", "protopnet", "flint", "protovae", "kmex(flint)", "shuffled")
    spec = BackboneSpec(name=f"{own_file}:Mobile")
    results = ran(tiny_suite, spec, tmp_path, explainers=names, parameters=SMALL)
    for name in names[1:]:
        assert applicable(results[name]) == set(tiny_suite.metrics), name
    assert max(results["cnn"].scores["lrp_kl"].values) < 1e-3


def test_a_classifier_of_two_layers_leaves_out_what_needs_one(tiny_suite, own_file, tmp_path):
    spec = BackboneSpec(name=f"{own_file}:Perceptron")
    parameters = {"kmex": {"prototypes_per_class": 2}, "b2": {"prototypes_per_class": 2}}
    results = ran(tiny_suite, spec, tmp_path, explainers=("cnn", "kmex", "b2", "b4"), parameters=parameters)
    assert applicable(results["cnn"]) == applicable(results["b4"]) == set()
    assert "not a linear layer" in results["cnn"].scores["accuracy"].reason
    assert results["cnn"].cost.fit_passes == 0
    assert results["cnn"].cost.predict_seconds_per_image is None
    assert applicable(results["kmex"]) == set(tiny_suite.metrics)
    assert set(tiny_suite.metrics) - applicable(results["b2"]) == {"lrp_kl", "ro_auroc", "ro_auroc_gain"}


@pytest.fixture
def weights(own, tmp_path):
    """Weights of a Mobile for the digits, by an own training that is not ours."""
    with isolated(3):
        network = own.Mobile()
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    return path


def test_a_frozen_network_is_explained_as_it_comes(tiny_suite, own, own_file, weights, tmp_path):
    spec = BackboneSpec(name=f"{own_file}:Mobile", weights=str(weights), frozen=True)
    with isolated(0):
        backbone = backbone_of(spec, 10, image_size=33, normalisation=PLAIN)
    network = own.Mobile()
    network.load_state_dict(safetensors.torch.load_file(weights))
    images = torch.rand(2, 3, 33, 33)
    torch.testing.assert_close(backbone.eval()(images), network.eval()(images))
    results = ran(tiny_suite, spec, tmp_path / "runs", explainers=("blackbox",), epochs=3)
    assert results["blackbox"].provenance.backbone_training["epochs"] == 0
    frozen = results["blackbox"].provenance.backbone_sha256
    trained = ran(tiny_suite, spec.model_copy(update={"frozen": False}), tmp_path / "other", explainers=("blackbox",))
    assert trained["blackbox"].provenance.backbone_sha256 != frozen


def test_a_frozen_network_for_other_classes_is_refused(own_file):
    spec = BackboneSpec(name=f"{own_file}:Mobile", frozen=True)
    with pytest.raises(SuiteInvalid, match="is frozen, but has 10 classes where the data set has 3"):
        backbone_of(spec, 3, image_size=32, normalisation=PLAIN)


def test_a_network_gets_its_images_as_it_wants_them(own_file):
    given = Normalisation((0.3,) * 3, (0.2,) * 3)
    spec = BackboneSpec(name=f"{own_file}:Mixed")
    with isolated(0):
        plain = backbone_of(spec, 10, image_size=32, normalisation=given).eval()
    with isolated(0):
        scaled = backbone_of(spec.model_copy(update=HALVES), 10, image_size=32, normalisation=given).eval()
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(scaled(given(pixels)), plain(2 * pixels - 1), rtol=1e-4, atol=1e-5)
    assert any(isinstance(part, Rescale) for part in scaled.renewed().modules())


def test_a_run_knows_the_weights_by_content_and_the_network_by_its_code(tiny_suite, own_file, weights, tmp_path):
    copied = tmp_path / "networks.py"
    copied.write_bytes(own_file.read_bytes())
    suite = tiny_suite.model_copy(
        update={
            "backbone": BackboneSpec(name=f"{copied}:Mobile", weights=str(weights)),
            "datasets": tiny_suite.datasets,
        }
    )
    first = plan(suite)[0]
    code = first.sources["backbone"]
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert plan(suite)[0].identity != first.identity
    copied.write_text(own_file.read_text() + "\n# another\n")
    source_hash.cache_clear()
    assert plan(suite)[0].sources["backbone"] != code
    weights.unlink()
    with pytest.raises(SuiteInvalid, match="cannot be read"):
        plan(suite)


def test_what_a_suite_does_not_say_leaves_its_identity_as_it_was():
    assert BackboneSpec(name="resnet34").settings() == {"name": "resnet34", "weights": "none"}


def test_a_factory_may_read_its_weights_itself(own, tmp_path):
    path = tmp_path / "reader.py"
    path.write_text(
        "import pathlib, torch\n"
        "def load(path):\n"
        "    m = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),"
        " torch.nn.Linear(2, 2))\n"
        "    m[3].bias.data.fill_(float(pathlib.Path(path).read_text()))\n"
        "    return m\n"
        "def two(a, b): ...\n"
        "def nothing(): ...\n"
    )
    (tmp_path / "w.txt").write_text("7")
    assert own_network(f"{path}:load", str(tmp_path / "w.txt"))[3].bias.tolist() == [7, 7]
    for name, weights, reason in (
        ("load", "none", "takes 1 required parameters and got weights 'none'"),
        ("two", "w.txt", "takes 2 required parameters"),
        ("nothing", "imagenet", "got weights 'imagenet'"),
        ("nothing", "none", "makes a NoneType, not a torch.nn.Module"),
    ):
        with pytest.raises(SuiteInvalid, match=reason):
            own_network(f"{path}:{name}", weights)


def test_a_factory_that_fails_is_named_with_its_reason(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "import torch\n"
        "def plain(): raise RuntimeError('no such layer\\nsecond line')\n"
        "def load(path): return torch.load(path, weights_only=True)\n"
        "def silent(): raise KeyError\n"
    )
    (tmp_path / "empty.pth").write_bytes(b"")
    for name, weights, reason in (
        ("plain", "none", "plain': the factory fails, with weights 'none': RuntimeError: no such layer. Repair it"),
        ("load", str(tmp_path / "empty.pth"), "load': the factory fails, with weights '.*empty.pth': EOFError"),
        ("silent", "none", "silent': the factory fails, with weights 'none': KeyError. Repair it"),
    ):
        with pytest.raises(PluginBroken, match=reason):
            own_network(f"{path}:{name}", weights)
    for name in ("load", "plain"):
        with pytest.raises(SuiteInvalid, match=r"nothere.pth' cannot be read: there is no such file"):
            own_network(f"{path}:{name}", str(tmp_path / "nothere.pth"))


def test_blocks_of_the_compact_resnets_are_fixed():
    spec = BackboneSpec(name="resnet10-narrow", blocks=("layer1",))
    with pytest.raises(SuiteInvalid, match="the blocks of backbone 'resnet10-narrow' are fixed"):
        backbone_of(spec, 10, image_size=32, normalisation=PLAIN)


def test_inspection_shows_structure_and_reasons(own_file):
    lines = "\n".join(inspect_network(BackboneSpec(name=f"{own_file}:Perceptron"), image_size=32, n_classes=4))
    assert "block 2     8 channels, 8x8 cells  up to features" in lines
    assert "classes     10 in the network, 4 wanted: a new linear layer, to be trained" in lines
    assert "no   a linear layer on the average of the last feature map: its head is" in lines
    assert "cnn              not applicable: its head is" in lines
    assert "kmex             fits\n" in lines
    assert "b4               not applicable: the composite ends at block 4" in lines
    with pytest.raises(BackboneUnfit, match="is no step of the network"):
        list(inspect_network(BackboneSpec(name=f"{own_file}:Mobile", blocks=("nowhere",)), image_size=32))


def test_torchvision_s_names_are_known_with_dashes():
    for name in (
        "densenet121",
        "efficientnet-b0",
        "googlenet",
        "vgg16",
        "mobilenet-v2",
        "resnet101",
        "wide-resnet50-2",
    ):
        assert callable(BACKBONES.get(name))
    with pytest.raises(Exception, match="unknown backbone 'densenet122'"):
        BACKBONES.get("densenet122")


def test_a_file_of_weights_fits_a_named_network_whatever_its_classes(tmp_path):
    with isolated(0):
        spec = BackboneSpec(name="mobilenet-v3-small")
        backbone = backbone_of(spec, 10, image_size=32, normalisation=PLAIN)
        import torchvision

        network = torchvision.models.mobilenet_v3_small(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "seven.pth")
    stored = backbone_of(
        spec.model_copy(update={"weights": str(tmp_path / "seven.pth")}), 10, image_size=32, normalisation=PLAIN
    )
    assert (stored.outputs, stored.n_classes, backbone.outputs) == (7, 10, 10)


@pytest.fixture
def narrow_layers(monkeypatch):
    """VGG's hidden layers of 4096 numbers are narrowed to 64: they hold 120 of its 130 million weights."""

    class Narrow(nn.Linear):
        def __init__(self, inputs, outputs):
            super().__init__(64 if inputs == 4096 else inputs, 64 if outputs == 4096 else outputs)

    monkeypatch.setattr(vgg, "nn", SimpleNamespace(**{**vars(nn), "Linear": Narrow}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "efficientnet-b0", "googlenet", "vgg11"])
def test_torchvision_s_classifiers_go_through_everything(name, tiny_suite, tmp_path, narrow_layers):
    datasets = (tiny_suite.datasets[0].model_copy(update={"image_size": 32}),)
    suite = tiny_suite.model_copy(
        update={"datasets": datasets, "evaluation": tiny_suite.evaluation.model_copy(update={"explained_images": 3})}
    )
    small = {label: {"prototypes_per_class": 2} for label in ("kmex", "b4")}
    results = ran(
        suite, BackboneSpec(name=name), tmp_path, explainers=("cnn", "kmex", "b4"), epochs=0, parameters=small
    )
    assert applicable(results["kmex"]) == set(suite.metrics)
    linear = name != "vgg11"
    assert applicable(results["cnn"]) == (set(suite.metrics) if linear else set())
    assert ("lrp_kl" in applicable(results["b4"])) == linear


NET = "torch.nn.Sequential(torch.nn.Conv2d(3, {0}, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear({0}, 2))"  # noqa: E501
FACTORIES = f"""
import argparse, functools, pathlib, sys, torch
class Net(torch.nn.Sequential):
    def __init__(self, width=2): super().__init__(*{NET.format("width")})
def filled(path, *, width=2):
    net = Net(width)
    net[3].bias.data.fill_(float(pathlib.Path(path).read_text()))
    return net
short = lambda: Net()
partial = functools.partial(Net, width=4)
bound = functools.partial(filled, width=4)
def by_name(*, path): return filled(path)
def defaults(*, width=3): return Net(width)
def anything(*args, **kwargs): return Net(*args, **kwargs)
def pair(): return Net(), "transform"
def nothing(): Net()
def parallel(): return torch.nn.DataParallel(Net())
def ends(): argparse.ArgumentParser().error("data is missing")
def argued(): return Net(len(sys.argv) + 1)
def stopped(): raise KeyboardInterrupt
ready = Net()
"""


@pytest.mark.parametrize("name", ["Net", "short", "partial", "defaults", "anything", "parallel", "argued"])
def test_a_factory_is_whatever_can_be_called_for_a_network(tmp_path, name):
    (tmp_path / "net.py").write_text(FACTORIES)
    backbone = backbone_of(BackboneSpec(name=f"{tmp_path}/net.py:{name}"), 2, image_size=16, normalisation=PLAIN)
    assert backbone.outputs == 2


@pytest.mark.parametrize("name", ["filled", "bound", "by_name"])
def test_a_factory_takes_its_only_required_parameter_whatever_its_kind(tmp_path, name):
    (tmp_path / "net.py").write_text(FACTORIES)
    (tmp_path / "w.txt").write_text("7")
    assert own_network(f"{tmp_path}/net.py:{name}", str(tmp_path / "w.txt"))[3].bias.tolist() == [7, 7]


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("pair", SuiteInvalid, "makes a tuple, not a torch.nn.Module; let it return the network and nothing else"),
        ("nothing", SuiteInvalid, "makes a NoneType, not"),
        ("ready", SuiteInvalid, r"is a network itself, a Net; give a function \(or class\)"),
        ("by_name", SuiteInvalid, "takes 1 required parameters"),
        ("ends", PluginBroken, r"net.py:ends': the factory fails, .*it ends Python \(SystemExit: 2\), as scripts do"),
        ("stopped", KeyboardInterrupt, None),
    ],
)
def test_what_makes_no_network_says_why(tmp_path, name, error, reason):
    (tmp_path / "net.py").write_text(FACTORIES)
    with pytest.raises(error, match=reason):
        own_network(f"{tmp_path}/net.py:{name}")
