"""Methods of a third party that have one of the two maps: scored with it, and their result says so."""

import dataclasses

import pytest
import torch

from sembench.errors import NotOffered
from sembench.evaluation.maps import NO_CLASS_MAP, NO_PROTOTYPE_MAP
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import read_result
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.plan import plan
from sembench.types import Prototypes
from sembench_baselines.kmex import KMEx, KMExModel

pytestmark = pytest.mark.slow


class OnlyClassMap(KMExModel):
    def attribute_prototypes(self, images, prototypes):
        raise NotOffered("it has no relevance of prototypes")


class OnlyPrototypeMap(KMExModel):
    def attribute(self, images, targets=None):
        raise NotOffered("it has no relevance of classes")

    def attribute_prototypes(self, images, prototypes):
        return self.carried(images, lambda z: z * self.vectors[prototypes])


class Quiet:
    def __getattr__(self, _):
        return lambda *_: None


@pytest.fixture
def scored(tmp_path, tiny_cache, tiny_suite, monkeypatch):
    """The cost and the scores in the result file of KMEx as a model of this kind."""

    def run(kind):
        class Recipe(KMEx):
            def fit(self, backbone, train, *, generator):
                return kind(backbone, super().fit(backbone, train, generator=generator).prototypes, self)

            def restore(self, backbone, state):
                return kind(backbone, Prototypes(state["vectors"], state["classes"]), self)

        name = kind.__name__.lower()
        monkeypatch.setitem(EXPLAINERS._objects, name, dataclasses.dataclass(frozen=True)(Recipe))
        (cell,) = plan(tiny_suite, explainers=[name])
        summary = Runner(tmp_path, Cache(tiny_cache), tmp_path, "cpu", Quiet()).run([cell])
        assert not summary.failed
        result = read_result(cell.path(tmp_path))
        return result.cost, result.scores

    return run


def test_a_class_map_stands_in_where_there_are_no_prototype_maps(scored):
    (cost, only), (_, both) = scored(OnlyClassMap), scored(KMExModel)
    assert (only["lrp_kl"].note, only["ro_auroc"].note) == ("", NO_PROTOTYPE_MAP)
    assert only["lrp_kl"].values == both["lrp_kl"].values
    assert only["ro_auroc"].values != both["ro_auroc"].values
    assert cost.explain_seconds_single is not None


def test_a_prototype_map_stands_in_where_there_is_no_class_map(scored):
    cost, only = scored(OnlyPrototypeMap)
    assert (only["lrp_kl"].note, only["ro_auroc"].note) == (NO_CLASS_MAP, "")
    assert min(only["lrp_kl"].values) >= 0
    assert len(only["lrp_kl"].values) == len(only["ro_auroc"].values) == 10
    assert cost.explain_images == 2


def test_a_model_with_both_has_no_note(scored):
    _, both = scored(KMExModel)
    assert {both["lrp_kl"].note, both["ro_auroc"].note} == {""}
    assert torch.isfinite(torch.tensor(both["lrp_kl"].values)).all()
