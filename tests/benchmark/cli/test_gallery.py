"""Figures of cells in a folder; of an explainer that somebody wrote outside of this repository, too."""

import importlib.util
import sys

import pytest

from sembench.cli import show
from sembench.figures.figure import ModelFigure
from sembench.plugins.registry import EXPLAINERS, FIGURES
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.plan import plan
from sembench_leaderboard.commands.charts import CURVES
from units import own

PLUGIN = '''
"""Input gradients: an explainer that has attributions and nothing else."""

from dataclasses import dataclass

import torch

from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.types import Capability, Explanation, Prototypes


class GradientsModel(SelfExplainableModel):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    @property
    def prototypes(self):
        return Prototypes(torch.empty(0, 1), torch.empty(0, dtype=torch.int64))

    def forward(self, images):
        scores = self.backbone(images)
        return Explanation(scores, scores[:, :0])

    def class_probabilities(self, explanation):
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self):
        return torch.empty(0, 0, dtype=torch.float64)

    def attribute(self, images, targets=None):
        with torch.enable_grad():
            inputs = images.detach().clone().requires_grad_()
            best = self.backbone(inputs).amax(1).sum()
            (gradient,) = torch.autograd.grad(best, inputs)
        return (gradient * images).sum(1)


@dataclass(frozen=True)
class Gradients(Explainer):
    supports = frozenset({Capability.PROBABILITIES, Capability.ATTRIBUTION})

    def fit(self, backbone, train, *, generator):
        return GradientsModel(backbone)

    def restore(self, backbone, state):
        return GradientsModel(backbone)
'''


class Silent:
    def phase(self, cell, text): ...
    def note(self, text): ...
    def finished(self, cell, result, seconds): ...
    def failed(self, cell, error):
        raise error


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """The module above, in a folder of its own, registered under a name."""
    path = tmp_path / "somewhere" / "gradients_plugin.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    spec = importlib.util.spec_from_file_location("gradients_plugin", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gradients_plugin", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(EXPLAINERS._objects, "gradients", module.Gradients)
    return "gradients"


def test_a_third_partys_attributions_get_every_figure_that_applies(third_party, tiny_suite, tiny_cache, tmp_path):
    cells = plan(tiny_suite, explainers=[third_party])
    said = []
    places = tiny_cache, tmp_path, "cpu", tmp_path / "figures", said.append
    folder = tmp_path / "figures" / "tiny" / "tiny-digits" / "seed-0"
    of_models = [name for name in own(FIGURES) if isinstance(FIGURES.get(name), ModelFigure)]
    for figure in of_models:
        files = show.gallery(figure, cells, *places, every_seed=False)
        names = [f"{figure}-gradients.png", f"{figure}-gradients.svg"]
        assert [file.relative_to(folder).as_posix() for file in files] == (names if figure == "relevance" else [])
    sentences = [text for text in said if str(text).startswith("no figure")]
    assert len(sentences) == len(of_models) - 1
    assert "no figure 'looks-like' of gradients: it does not offer similarities to prototypes." in sentences
    Runner(tmp_path, Cache(tiny_cache), tmp_path, "cpu", Silent()).run(cells)
    curves = CURVES.files(tmp_path, "tiny", [], [])
    assert set(curves) == {"tiny/curves-tiny-digits.png", "tiny/curves-tiny-digits.svg"}


@pytest.fixture
def gallery(tiny_cache, tmp_path):
    def drawn(figure, cells, **options):
        return show.gallery(figure, cells, tiny_cache, tmp_path, "cpu", tmp_path, lambda text: None, **options)

    return drawn


def test_explainers_stand_on_one_picture_or_apart(gallery, tiny_suite, tmp_path):
    cells = plan(tiny_suite, explainers=["kmex", "b4"])

    def names(**options):
        return [path.name for path in gallery("prototypes", cells, every_seed=False, classes=[0, 1], **options)]

    assert names() == ["prototypes-kmex-b4.png", "prototypes-kmex-b4.svg"]
    assert names(apart=True) == [f"prototypes-{name}.{form}" for name in ("kmex", "b4") for form in ("png", "svg")]


def test_the_first_seed_stands_for_all_unless_all_are_asked_for(gallery, tiny_suite, monkeypatch):
    cells, drawn = plan(tiny_suite, explainers=["kmex"], seeds=[3, 4]), []
    monkeypatch.setattr("sembench.fitted.fitted_explainers", lambda own, *rest: drawn.append(own[0].seed) or [])
    gallery("relevance", cells, every_seed=False)
    gallery("relevance", cells, every_seed=True)
    assert drawn == [3, 3, 4]
