import copy
import dataclasses

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.data.sets.digits import digits
from sembench.errors import NotOffered, SuiteInvalid, UnknownName
from sembench.fitted import fitted_explainers, load
from sembench.results.scorecard import Scorecard
from sembench.running.runner import Runner
from sembench.suites.plan import plan
from sembench.types import Explanation
from sembench.workbench import Workbench
from sembench_baselines.kmex import KMEx

# The network that is brought along has initial weights, and nobody says how it wants its images.
pytestmark = pytest.mark.filterwarnings("ignore:no mean and std", "ignore:the black box is right on")


@pytest.fixture(scope="module")
def bench():
    return Workbench("tiny-digits")


@pytest.fixture(scope="module")
def own_network():
    """A network that somebody brings along: two stages of convolutions and a linear layer."""
    torch.manual_seed(0)
    stages = [
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()),
    ]
    return Backbone(stages, nn.Linear(16, 10))


@pytest.fixture(scope="module")
def kmex(bench, own_network):
    return bench.fit("kmex", own_network, prototypes_per_class=2)


def test_an_explainer_of_ones_own_network_explains_draws_and_scores(bench, kmex):
    explanation = kmex.model(bench.test(0, 1).images)
    assert isinstance(explanation, Explanation)
    assert kmex.explain(bench.test(0, 1)).similarities.shape == (2, 20)
    assert kmex.draw("prototypes")._repr_png_()[:4] == b"\x89PNG"
    scores = kmex.score("accuracy", "ghosting")
    assert scores["ghosting"].values == (0.0,) * 20
    assert len(scores["accuracy"].values) == 50


def test_a_network_that_is_brought_along_stays_as_it_is(own_network, kmex):
    assert own_network.training
    assert all(p.requires_grad for p in own_network.parameters())
    assert kmex.backbone is not own_network
    assert not any(p.requires_grad for p in kmex.backbone.parameters())


def test_other_weights_are_another_black_box(bench, own_network, kmex):
    other = copy.deepcopy(own_network)
    other.classifier.weight.data += 1
    assert bench.fit("blackbox", other).reference is not kmex.reference
    assert bench.fit("blackbox", own_network).reference is kmex.reference


def test_a_recipe_is_fitted_as_its_name_is(bench, own_network, kmex):
    recipe = bench.fit(KMEx(prototypes_per_class=2), own_network)
    assert recipe.name == "KMEx"
    assert torch.equal(recipe.model.vectors, kmex.model.vectors)
    assert recipe.reference is kmex.reference


def test_two_explainers_of_one_network_share_a_figure(bench, own_network, kmex):
    cnn = bench.fit("cnn", own_network, name="my columns")
    picture = kmex.draw("relevance", cnn, count=2)
    assert any(text.get_text() == "my columns" for text in picture.findobj(match=lambda a: hasattr(a, "get_text")))


def test_what_does_not_apply_is_refused_with_the_reason(bench, own_network, kmex):
    blackbox = bench.fit("blackbox", own_network)
    with pytest.raises(NotOffered, match="no figure 'prototypes' of blackbox: a black box has no prototypes"):
        blackbox.draw("prototypes")
    assert "a black box has no prototypes" in repr(blackbox.score("ghosting"))
    with pytest.raises(NotOffered, match="shows one explainer"):
        kmex.draw("looks-like", bench.fit("cnn", own_network))
    with pytest.raises(UnknownName, match="unknown metric 'acuracy'"):
        kmex.score("acuracy")


def test_a_trained_backbone_is_the_same_for_the_same_seed(bench):
    first, second = (bench.train("resnet10-narrow", epochs=1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not any(p.requires_grad for p in first.parameters())


def test_a_data_set_of_ones_own_is_taken_as_it_is(own_network):
    data = dataclasses.replace(digits(image_size=33), name="<b>mine</b>")
    html = Workbench(data)._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt;" in html
    assert "1,437 training and 360 test images, 10 classes, 33 pixels" in html


def test_unknown_options_of_a_data_set_are_refused():
    with pytest.raises(SuiteInvalid, match="colour"):
        Workbench("tiny-digits", colour="red")


def test_notebooks_show_models_explainers_and_scores(kmex):
    assert "20 prototypes of 16 channels" in kmex._repr_html_()
    assert "prototypes_per_class = 2" in kmex._repr_html_()
    assert "<b>KMExModel</b>" in kmex.model._repr_html_()
    assert "<td>Ghosting</td><td>0</td>" in kmex.score("ghosting")._repr_html_()
    assert repr(kmex.score("ghosting")).splitlines()[1].split()[:2] == ["Ghosting", "0"]


class Silent:
    def phase(self, run, text): ...
    def note(self, text): ...
    def finished(self, run, result, seconds): ...
    def failed(self, run, error):
        raise error


def test_a_runs_model_comes_from_the_cache_of_its_run(tiny_suite, tiny_cache, tmp_path):
    from sembench.results.result import read_result
    from sembench.running.cache import Cache

    (run,) = plan(tiny_suite, explainers=["kmex"])
    Runner(tmp_path, Cache(tiny_cache), tmp_path, "cpu", Silent()).run([run])
    said = []
    (found,) = fitted_explainers([run], tiny_cache, tmp_path, "cpu", said.append)
    assert not any(("training" in text and "epoch" in text) or "fitting" in text for text in said)
    result = read_result(run.path(tmp_path))
    assert found.score("accuracy")["accuracy"].values == result.scores["accuracy"].values
    assert isinstance(found.score("accuracy"), Scorecard)
    assert "kmex on tiny-digits, seed 0 (suite tiny)" in result._repr_html_()


def test_loading_takes_a_suites_entry_by_its_label(tiny_suite, tiny_cache, tmp_path, monkeypatch):
    monkeypatch.setattr("sembench.fitted.load_suite", lambda name: tiny_suite)
    found = load("b4", suite="tiny", cache=tiny_cache, data_root=tmp_path)
    assert found.name == "b4"
    assert found.model.points == "cell"
