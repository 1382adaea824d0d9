"""``frozen = "encoder"``: the user's features stay, a linear layer for the data set is trained on them."""

import pytest
import torch

from brought_along import OWN
from sembench.errors import SuiteInvalid
from sembench.results.result import read_result
from sembench.running.black_box import adapt
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.seeding import isolated
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import plan
from sembench.suites.suite import ExplainerSpec
from sembench.workbench import Workbench

STATED = {"mean": OWN.mean, "std": OWN.std}
RECIPE = {"epochs": 20, "learning_rate": 0.2}


class Recorder:
    def __init__(self):
        self.notes, self.phases = [], []

    def phase(self, run, text):
        self.phases.append(text)

    def note(self, text):
        self.notes.append(text)

    def finished(self, run, result, seconds): ...
    def failed(self, run, error):
        raise error


def test_the_workbench_trains_a_new_head_of_an_adapted_network(brought):
    bench = Workbench(brought.data)
    network = torch.nn.Sequential(*list(brought.network)[:-1], torch.nn.Linear(32, 3)).eval()
    with pytest.raises(SuiteInvalid, match=r"the network has 3 classes where digits has 10.*n_classes=10"):
        bench.fit("blackbox", adapt(network, image_size=16, **STATED))
    with isolated(0):
        fresh = adapt(network, image_size=16, n_classes=10, **STATED)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    trained = bench.train(fresh, frozen="encoder", **RECIPE)
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())
    images = brought.data.test.load(torch.arange(5))
    features = brought.network[:-2](OWN(images)).flatten(1)
    own = trained.embed(brought.data.train.normalisation(images))
    torch.testing.assert_close(own, features, rtol=1e-3, atol=1e-3)
    fitted = bench.fit("blackbox", trained)
    assert sum(fitted.score("accuracy")["accuracy"].values) / 360 > 0.8


def test_a_head_is_trained_by_the_name_of_a_factory_too(brought):
    bench = Workbench(brought.data)
    trained = bench.train(brought.name, weights=brought.weights, frozen="encoder", epochs=1, **STATED)
    assert sum(bench.fit("blackbox", trained).score("accuracy")["accuracy"].values) / 360 > brought.accuracy - 0.1
    with pytest.raises(SuiteInvalid, match='frozen is True; to train takes False or "encoder"'):
        bench.train(brought.name, weights=brought.weights, frozen=True)
    with pytest.raises(SuiteInvalid, match="mean, std: settings of a backbone by name"):
        bench.train(trained, frozen="encoder", **STATED)


def test_a_suite_trains_the_head_alone_once_and_says_so(tiny_suite, brought, tmp_path):
    spec = BackboneSpec(name=brought.name, weights=brought.weights, frozen="encoder", **STATED)
    data = tiny_suite.datasets[0].model_copy(update={"image_size": 16})
    training = tiny_suite.training.model_copy(update=RECIPE)
    entries = tuple(ExplainerSpec(name=name) for name in ("blackbox", "cnn"))
    changed = {"backbone": spec, "training": training, "datasets": (data,), "explainers": entries}
    runs, reporter = plan(tiny_suite.model_copy(update=changed)), Recorder()
    Runner(tmp_path, Cache(tmp_path / "cache"), tmp_path, "cpu", reporter).run(runs)
    first, second = (read_result(run.path(tmp_path)) for run in runs)
    assert sum(text.startswith("training the linear layer of the black box, epoch") for text in reporter.phases) == 20
    assert not any(text.startswith("training the black box") for text in reporter.phases)
    assert first.provenance.backbone_training["frozen"] == "encoder"
    assert first.provenance.backbone_training["epochs"] == 20
    assert first.settings["backbone"]["frozen"] == "encoder"
    assert first.provenance.backbone_sha256 == second.provenance.backbone_sha256
    assert first.cost.backbone_seconds > 0
    assert reporter.notes == []
    assert sum(first.scores["accuracy"].values) / 50 > 0.8


@pytest.mark.parametrize(
    ("frozen", "epochs", "said"),
    [
        (True, 20, {"taking the black box as it comes, without a training"}),
        (False, 0, {"taking the black box as it comes, without a training"}),
        (False, 1, {"training the black box"}),
        ("encoder", 1, {"training the linear layer of the black box"}),
    ],
)
def test_a_training_is_announced_where_there_is_one(tiny_suite, brought, tmp_path, frozen, epochs, said):
    spec = BackboneSpec(name=brought.name, weights=brought.weights, frozen=frozen, **STATED)
    data = tiny_suite.datasets[0].model_copy(update={"image_size": 16})
    training = tiny_suite.training.model_copy(update={"epochs": epochs})
    entries = (ExplainerSpec(name="blackbox"),)
    changed = {"backbone": spec, "training": training, "datasets": (data,), "explainers": entries}
    runs, reporter = plan(tiny_suite.model_copy(update=changed)), Recorder()
    Runner(tmp_path, Cache(tmp_path / "cache"), tmp_path, "cpu", reporter).run(runs)
    assert {text.partition(", epoch")[0] for text in reporter.phases if "black box" in text} == said
