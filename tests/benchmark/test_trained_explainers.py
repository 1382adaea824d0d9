"""Trained explainers in the runner: fitted once, shared by conversions, resumed after a kill, counted."""

import pytest

from sembench.results.result import read_result
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.plan import plan
from sembench.suites.suite import ExplainerSpec
from sembench_baselines.protopnet import ProtoPNet

pytestmark = pytest.mark.slow
QUICK = {"warm_epochs": 1, "joint_epochs": 2, "last_epochs": 1, "dimension": 16}
FLINT = {"epochs": 3, "fidelity_from": 2, "entropy_from": 3}
PROTOVAE = {"epochs": 2, "channels": [4, 8], "latent": 8}


class Recording:
    """Notes the phases of every run; stops at a phase that holds ``stop``."""

    def __init__(self, stop=None):
        self.stop = stop
        self.phases = []

    def phase(self, run, text):
        self.phases.append((run.entry, text))
        if self.stop is not None and self.stop in text:
            raise KeyboardInterrupt

    def note(self, text): ...
    def finished(self, run, result, seconds): ...

    def failed(self, run, error):
        raise error


@pytest.fixture(scope="module")
def suite(tiny_suite):
    entries = (
        ExplainerSpec(name="protopnet", parameters=QUICK),
        ExplainerSpec(name="kmex(protopnet)", parameters={"base": QUICK}),
        ExplainerSpec(name="flint", parameters=FLINT),
        ExplainerSpec(name="protovae", parameters=PROTOVAE),
    )
    return tiny_suite.model_copy(update={"explainers": entries})


def run(suite, out, cache, reporter, explainers=()):
    runs = plan(suite, explainers=explainers)
    Runner(out, Cache(cache), out, "cpu", reporter).run(runs)
    return {run.entry: read_result(run.path(out)) for run in runs}


@pytest.fixture(scope="module")
def whole(suite, tmp_path_factory):
    out, reporter = tmp_path_factory.mktemp("whole"), Recording()
    return run(suite, out, out / "cache", reporter), reporter.phases, out


def test_a_conversion_takes_the_model_that_is_there(whole):
    _, phases, _ = whole
    trained = [entry for entry, text in phases if text.startswith("training, joint")]
    assert set(trained) == {"protopnet"}


def test_every_measure_applies_to_both(whole):
    results, _, _ = whole
    for entry in ("protopnet", "kmex(protopnet)"):
        result = results[entry]
        assert {score.status for score in result.scores.values()} == {"scored"}


def test_what_a_fit_cost_is_counted(whole):
    results, _, _ = whole
    trained, converted = results["protopnet"].cost, results["kmex(protopnet)"].cost
    # 3 epochs of steps (6 x 32 + 1 x 8 images), the projection's pass and the last layer's one pass
    assert (trained.fit_passes, trained.fit_images) == (3 * 7 + 2, 5 * 200)
    assert (converted.fit_passes, converted.fit_images) == (1, 200)


def test_hyperparameters_stand_in_the_result_with_their_defaults(whole):
    results, _, _ = whole
    assert results["protopnet"].hyperparameters["separation"] == -0.08
    assert results["kmex(protopnet)"].hyperparameters["base"]["joint_epochs"] == 2


def test_nothing_is_left_of_the_checkpoints(whole):
    _, _, out = whole
    assert list((out / "cache" / "checkpoint").glob("*")) == []


STAGES = {
    "training the black box, epoch 1": "protopnet",
    "training, warm-up 1": "protopnet",
    "training, joint 1": "protopnet",
    "training, joint 2": "protopnet",
    "training, last layer 1": "protopnet",
    "training, FLINT 1": "flint",
    "training, FLINT 2": "flint",
    "training, ProtoVAE 1": "protovae",
}


@pytest.mark.parametrize(("stage", "entry"), STAGES.items(), ids=STAGES)
def test_a_run_ended_in_any_stage_goes_on_to_the_same_model(stage, entry, suite, whole, tmp_path):
    """After an epoch's checkpoint was written; none of its lines comes a second time."""
    entries = [entry, "kmex(protopnet)"] if entry == "protopnet" else [entry]
    expected, _, _ = whole
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path, tmp_path / "cache", Recording(stop=f"{stage}/"), entries)
    reporter = Recording()
    found = run(suite, tmp_path, tmp_path / "cache", reporter, entries)
    assert not any(f"{stage}/" in text for _, text in reporter.phases)
    for name, result in found.items():
        assert result.provenance.model_sha256 == expected[name].provenance.model_sha256
        assert result.scores == expected[name].scores
        assert result.cost.fit_images == expected[name].cost.fit_images


def test_trained_explainers_compute_in_the_precision_of_the_suite(suite, tmp_path, monkeypatch):
    asked = set()

    def watch(self, backbone, train, session):
        asked.add(session.precision)
        return train_protopnet(self, backbone, train, session)

    train_protopnet = ProtoPNet.train
    monkeypatch.setattr(ProtoPNet, "train", watch)
    rough = suite.model_copy(update={"training": suite.training.model_copy(update={"precision": "bfloat16"})})
    runs = plan(rough, explainers=["protopnet"])
    Runner(tmp_path, Cache(tmp_path / "cache"), tmp_path, "cpu", Recording()).run(runs)
    assert asked == {"bfloat16"}
    assert read_result(runs[0].path(tmp_path)).settings["training"]["precision"] == "bfloat16"
