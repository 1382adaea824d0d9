"""What a network offers is decided on the weights that are explained, not on those that it began with."""

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.results.result import read_result
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import plan
from sembench.suites.suite import ExplainerSpec
from sembench.types import Trait
from sembench.workbench import Workbench

pytestmark = pytest.mark.filterwarnings("ignore:the black box is right on", "ignore:no mean and std")

FACTORY = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.NORM(16), nn.Linear(16, 10))
"""


class Quiet:
    def phase(self, run, text): ...
    def note(self, text): ...
    def finished(self, run, result, seconds): ...
    def failed(self, run, error):
        raise error


def test_batch_norm_between_pool_and_head_is_a_linear_head_at_most_before_training(tiny_suite, tmp_path):
    (tmp_path / "net.py").write_text(FACTORY.replace("NORM", "BatchNorm1d"))
    spec = BackboneSpec(name=f"{tmp_path / 'net.py'}:make")
    entries = (ExplainerSpec(name="cnn"), ExplainerSpec(name="blackbox"))
    runs = plan(tiny_suite.model_copy(update={"backbone": spec, "explainers": entries}))
    for out in ("trained", "from the cache"):
        Runner(tmp_path / out, Cache(tmp_path / "cache"), tmp_path, "cpu", Quiet()).run(runs)
        cnn, blackbox = (read_result(run.path(tmp_path / out)) for run in runs)
        assert {score.status for score in cnn.scores.values()} == {"not applicable"}
        assert "not a linear layer" in cnn.scores["accuracy"].reason
        assert blackbox.scores["accuracy"].status == "scored"


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.SyncBatchNorm])
def test_a_backbone_made_by_hand_is_decided_again_where_it_is_fitted_and_trained(norm):
    torch.manual_seed(0)
    stages = [nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())]
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm(8, eps=1e-12))
    network, bench = Backbone(stages, nn.Linear(8, 10), pool=pool), Workbench("tiny-digits")
    untrained = bench.fit("blackbox", network).backbone
    assert Trait.LINEAR_HEAD not in untrained.lacks
    with torch.no_grad():
        pool[2].running_mean += 0.3
        pool[2].running_var *= 4
    assert Trait.LINEAR_HEAD in bench.fit("blackbox", network).backbone.lacks
    if norm is nn.BatchNorm1d:  # the other one is trained on several GPUs only
        assert Trait.LINEAR_HEAD in bench.train(network, epochs=1).lacks
