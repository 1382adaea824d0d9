"""KMEx of any fitted model: its embedding, its relevance, without training it again."""

import pytest
import torch

from sembench.errors import FitImpossible, SuiteInvalid, UnknownName
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.plugins.registry import EXPLAINERS
from sembench.running.cache import tensors_sha256
from sembench.types import Capability, Explanation, Prototypes
from sembench_baselines.conversion import ConvertedModel, Embedding, KMExOf
from sembench_baselines.kmex import RULES, KMEx

QUICK = {"warm_epochs": 1, "joint_epochs": 1, "last_epochs": 1, "dimension": 16}


def fit(made, backbone, data):
    return made.fit(backbone, data.train, generator=torch.Generator().manual_seed(0)).eval()


def test_kmex_of_kmex_is_kmex(backbone, data):
    images = data.test.batch(torch.arange(8)).images
    plain, twice = (fit(EXPLAINERS.get(name)(), backbone, data) for name in ("kmex", "kmex(kmex)"))
    assert torch.equal(plain(images).embeddings, twice(images).embeddings)
    same = KMEx().fit(backbone, data.train, generator=torch.Generator().manual_seed(5))
    converted = KMExOf("kmex", KMEx(), KMEx()).convert(plain, data.train, generator=torch.Generator().manual_seed(5))
    assert torch.equal(converted.prototypes.vectors, same.prototypes.vectors)
    torch.testing.assert_close(converted.attribute(images), same.attribute(images), rtol=1e-4, atol=1e-6)
    chosen = torch.arange(len(images))
    pairs = [(model.attribute_by(rule, images) for model in (converted, same)) for rule in RULES]
    pairs.append(model.attribute_prototypes(images, chosen) for model in (converted, same))
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * one.abs().max().item())


def test_the_fitted_model_is_not_trained_again_nor_changed(backbone, data):
    base = fit(EXPLAINERS.get("protopnet")(**QUICK), backbone, data)
    before = tensors_sha256(base.fitted_state())
    made = recipe("kmex(protopnet)", {"base": QUICK}, "digits")
    model = made.convert(base, data.train, generator=torch.Generator().manual_seed(0))
    assert tensors_sha256(base.fitted_state()) == before
    assert model.embedding.model is base
    images = data.test.batch(torch.arange(5)).images
    assert torch.equal(model(images).embeddings, base(images).embeddings)


def test_cells_of_an_embedding_are_averaged(backbone, data):
    model = fit(recipe("kmex(protopnet-parts)", {"base": QUICK}, "digits"), backbone, data)
    images = data.test.batch(torch.arange(5)).images
    cells = model.embedding.model.embed(images)
    assert cells.ndim == 4
    assert torch.allclose(model(images).embeddings, cells.mean((2, 3)))


def test_relevance_reaches_the_pixels_and_is_conserved(backbone, data):
    made = recipe("kmex(protopnet)", {"bias": "zero", "base": QUICK}, "digits")
    model = fit(made, backbone, data)
    images = data.test.batch(torch.arange(6)).images
    with torch.no_grad():
        seed = model.probabilities(images).amax(1)
    assert torch.allclose(model.attribute(images).sum((1, 2)), seed, rtol=0.02)


class Outside(SelfExplainableModel):
    """A model of somebody else: mean colours, without relevance."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)

    @property
    def prototypes(self):
        return Prototypes(torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64))

    def embed(self, images):
        return self.layer(images.mean((2, 3)))

    def forward(self, images):
        points = self.embed(images)
        return Explanation(points[:, :1].expand(-1, 10), points[:, :1], embeddings=points)

    def class_probabilities(self, explanation):
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self):
        return torch.zeros(1, 1)

    def attribute(self, images, targets=None):
        raise NotImplementedError


class OutsideRecipe(Explainer):
    supports = frozenset({Capability.SIMILARITIES})
    lacks = {Capability.ATTRIBUTION: "it shows none"}

    def hyperparameters(self):
        return {"depth": 1}

    def fit(self, backbone, train, *, generator):
        return Outside()

    def restore(self, backbone, state):
        model = Outside()
        model.load_state_dict(state)
        return model


def test_a_third_partys_model_is_converted_and_what_it_lacks_is_said(backbone, data):
    made = KMExOf("outside", OutsideRecipe(), KMEx(prototypes_per_class=2))
    assert made.supports == frozenset(Capability) - {Capability.ATTRIBUTION}
    assert made.lacks == {Capability.ATTRIBUTION: "outside: it shows none"}
    model = fit(made, backbone, data)
    assert isinstance(model, ConvertedModel)
    assert model(data.test.batch(torch.arange(3)).images).similarities.shape == (3, 20)
    assert made.hyperparameters()["base"] == {"depth": 1}


def test_hyperparameters_are_those_of_both():
    made = recipe("kmex(protopnet)", {"prototypes_per_class": 3, "base": {"preset": "paper"}}, "mnist")
    assert made.kmex.prototypes_per_class == 3
    assert made.base == EXPLAINERS.get("protopnet").configured("mnist", preset="paper")
    assert made.hyperparameters()["base"]["joint_epochs"] == 10


def test_wrong_names_and_hyperparameters_are_refused():
    with pytest.raises(UnknownName):
        EXPLAINERS.get("kmex(protopnett)")
    with pytest.raises(SuiteInvalid, match="unexpected hyper-parameters colour"):
        recipe("kmex(protopnet)", {"colour": 1}, "digits")
    with pytest.raises(SuiteInvalid, match="speed"):
        recipe("kmex(protopnet)", {"base": {"speed": 1}}, "digits")
    with pytest.raises(FitImpossible, match="takes the hyper-parameters of protopnet"):
        recipe("kmex(protopnet)", {"base": 3}, "digits")


def test_kmex_of_cells_has_the_maps_of_kmex_on_their_average(backbone, data):
    images, chosen = data.test.batch(torch.arange(6)).images, torch.arange(6)
    plain, cells = (fit(EXPLAINERS.get(name)(), backbone, data) for name in ("kmex", "kmex-patches"))
    converted = ConvertedModel(Embedding(cells, data.n_classes), plain.prototypes, plain.recipe).eval()
    torch.testing.assert_close(converted(images).embeddings, plain(images).embeddings)
    for one, other in (
        (converted.attribute(images), plain.attribute(images)),
        (converted.attribute_prototypes(images, chosen), plain.attribute_prototypes(images, chosen)),
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * other.abs().max().item())


@pytest.mark.parametrize("name", ["kmex(b2)", "kmex(b12)", "kmex(kmex(b12))"])
def test_kmex_of_a_composite_of_blocks_has_no_relevance_and_says_why(name):
    made = recipe(name, {}, "digits")
    assert made.supports == frozenset(Capability) - {Capability.ATTRIBUTION}
    assert "no rule for its composite of interpolated cells" in made.lacks[Capability.ATTRIBUTION]
