"""ProtoVAE: the four terms of the loss against their formulas, sampling, decoding, relevance."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sembench.errors import FitImpossible
from sembench.seeding import generator
from sembench.similarity import log_similarity
from sembench.training.stages import Session
from sembench_baselines.protovae import ProtoVAE, kl_to_prototypes, orthogonality

SHORT = {"epochs": 2, "channels": (8, 16), "latent": 6, "prototypes_per_class": (1, 2, 3, 1, 2, 3, 1, 2, 3, 4)}
RECIPES = {
    "conv": ProtoVAE(**SHORT),
    "strided": ProtoVAE(**SHORT, halving="stride"),
    "backbone": ProtoVAE(**SHORT, encoder="backbone"),
}


def draw(name, *shape):
    return torch.randn(*shape, generator=generator(0, name), dtype=torch.float64)


@pytest.fixture(scope="module")
def fitted(backbone, data):
    return {name: recipe.resume(backbone, data.train, Session(0)) for name, recipe in RECIPES.items()}


CLASSES = torch.tensor([0, 0, 0, 1, 2, 2])
LABELS = torch.tensor([2, 0, 1, 0, 2])
OWN = LABELS[:, None] == CLASSES


def kl_case():
    return draw("mean", 5, 4), draw("log variance", 5, 4), draw("vectors", 6, 4), draw("similarities", 5, 6).abs() + 0.1


def test_kl_is_that_of_the_formula_and_of_torchs_distributions():
    mean, log_variance, vectors, similarities = kl_case()
    total = 0.0
    for i in range(5):
        weighted, weights = 0.0, 0.0
        for j in range(6):
            if CLASSES[j] != LABELS[i]:
                continue
            divergence = 0.0
            for d in range(4):
                m, v, p = float(mean[i, d]), float(log_variance[i, d]), float(vectors[j, d])
                divergence += 0.5 * (math.exp(v) + (m - p) ** 2 - 1 - v) / 4
            one = kl_divergence(Normal(mean[i], (log_variance[i] / 2).exp()), Normal(vectors[j], torch.ones(4))).mean()
            assert float(one) == pytest.approx(divergence)
            weighted += float(similarities[i, j]) * divergence
            weights += float(similarities[i, j])
        total += weighted / weights / int(OWN[i].sum())
    assert float(kl_to_prototypes(mean, log_variance, vectors, similarities, OWN)) == pytest.approx(total / 5)


def test_kl_is_a_mean_over_the_prototypes_of_the_class():
    """Prototypes at distance 2 in the one dimension, unit variance: each divergence is 2, whatever the similarities."""
    mean, log_variance, vectors = torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([[2.0], [-2.0], [2.0], [9.0]])
    similarities = torch.tensor([[0.1, 3.0, 1.0, 5.0]])
    for count in (1, 2, 3):
        own = torch.arange(4)[None] < count
        assert float(kl_to_prototypes(mean, log_variance, vectors, similarities, own)) == pytest.approx(2 / count)


def test_orthogonality_is_the_frobenius_norm_of_the_centred_gram_matrix_less_the_identity():
    vectors = draw("vectors", 6, 4)
    norms = []
    for label in range(3):
        rows = [vectors[j].tolist() for j in range(6) if CLASSES[j] == label]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        rows = [[x - m for x, m in zip(row, mean, strict=True)] for row in rows]
        squares = 0.0
        for a, first in enumerate(rows):
            for b, second in enumerate(rows):
                squares += (sum(x * y for x, y in zip(first, second, strict=True)) - (a == b)) ** 2
        norms.append(math.sqrt(squares))
    assert float(orthogonality(vectors, CLASSES)) == pytest.approx(sum(norms) / 3)


def test_orthonormal_prototypes_around_any_centre_cost_only_what_centring_takes():
    vectors = torch.tensor([[1.0, 0], [-1.0, 0]]) / math.sqrt(2) + 5
    expected = math.sqrt(2 * 0.25 + 2 * 0.25)  # gram [[.5, -.5], [-.5, .5]] less the identity
    assert float(orthogonality(vectors, torch.tensor([0, 0]))) == pytest.approx(expected, rel=1e-5)


def test_gradients_agree_with_finite_differences():
    case = [value.requires_grad_() for value in kl_case()]
    assert torch.autograd.gradcheck(lambda *x: kl_to_prototypes(*x, OWN), case)
    assert torch.autograd.gradcheck(lambda p: orthogonality(p, CLASSES), draw("p", 6, 4).requires_grad_())
    assert torch.autograd.gradcheck(log_similarity, (draw("d", 4, 3).abs() + 0.1).requires_grad_())


@pytest.mark.parametrize("distance", [0.0, 0.01, 3.0, 500.0])
def test_similarity_takes_the_distance_unsquared(distance):
    expected = math.log((distance + 1) / (distance + 1e-4))
    assert float(log_similarity(torch.tensor(distance, dtype=torch.float64))) == pytest.approx(expected, rel=1e-9)


def test_the_four_terms_have_the_weights_of_the_paper_and_use_the_sample(fitted, data):
    recipe, model = dataclasses.replace(RECIPES["conv"], kl=3.0), fitted["conv"]
    batch = data.train.batch(torch.arange(7))
    noise = torch.randn(7, 6, generator=generator(0, "noise"))
    terms = recipe.losses(model, batch.images, batch.labels, noise)
    mean, log_variance = model.gaussian(batch.images)
    sample = mean + log_variance.exp().sqrt() * noise
    distance = (sample[:, None] - model.vectors).square().sum(2).sqrt()
    similarities = ((distance + 1) / (distance + 1e-4)).log()
    logits = similarities @ model.last.weight.T
    own = batch.labels[:, None] == model.classes
    expected = {
        "cross-entropy": -logits.log_softmax(1)[torch.arange(7), batch.labels].mean(),
        "reconstruction": 0.1 * (model.decode(sample) - batch.images).square().mean(),
        "KL": 3 * kl_to_prototypes(mean, log_variance, model.vectors, similarities, own),
        "orthogonality": 0.1 * orthogonality(model.vectors, model.classes),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(float(value), rel=1e-4), name


def test_training_draws_new_noise_at_every_step_and_evaluation_takes_the_mean(backbone, data, monkeypatch):
    seen = []
    losses = ProtoVAE.losses

    def spy(self, model, images, labels, noise):
        seen.append(noise)
        return losses(self, model, images, labels, noise)

    monkeypatch.setattr(ProtoVAE, "losses", spy)
    model = RECIPES["conv"].resume(backbone, data.train, Session(0))
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(seen) if a.shape == b.shape)
    images = data.test.batch(torch.arange(5)).images
    assert torch.equal(model(images).embeddings, model.encoder(images)[:, :6])
    assert torch.equal(model(images).class_scores, model(images).class_scores)


@pytest.mark.parametrize("name", RECIPES)
def test_all_parameters_are_trained(name, fitted, backbone, data):
    start = dataclasses.replace(RECIPES[name], epochs=0).resume(backbone, data.train, Session(0))
    end = dict(fitted[name].named_parameters())
    still = [key for key, value in start.named_parameters() if torch.equal(value, end[key])]
    assert still == []


@pytest.mark.parametrize("name", RECIPES)
def test_prototypes_can_be_decoded_into_images(name, fitted, data):
    model = fitted[name]
    size = data.train.image_size
    assert model.decode(model.prototypes.vectors).shape == (22, 3, size, size)


@pytest.mark.parametrize("explained", ["score", "nearest", "mean"])
@pytest.mark.parametrize("name", RECIPES)
def test_relevance_is_conserved_by_the_head_and_down_to_the_pixels(name, explained, backbone, data):
    recipe = dataclasses.replace(RECIPES[name], explained=explained, bias="zero")
    model = recipe.resume(backbone, data.train, Session(0))
    images = data.test.batch(torch.arange(6)).images
    with torch.no_grad():
        seed = model.probabilities(images).amax(1)
        head = model.head_relevance(model.embed(images))
    assert torch.allclose(head.sum(1), seed, rtol=1e-4)
    assert torch.allclose(model.attribute(images).sum((1, 2)), seed, rtol=0.05)


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_killed_after_an_epoch_ends_with_the_same_model(name, backbone, data, fitted, checkpoint):

    def report(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RECIPES[name].resume(backbone, data.train, Session(0, checkpoint, report))
    found = RECIPES[name].resume(backbone, data.train, Session(0, checkpoint)).fitted_state()
    expected = fitted[name].fitted_state()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_paper_preset_is_table_10():
    recipe = ProtoVAE.configured("mnist", preset="paper")
    assert (recipe.epochs, recipe.kl, recipe.latent, recipe.encoder) == (20, 1.0, 512, "conv")
    recipe = ProtoVAE.configured("celeba", preset="paper")
    assert (recipe.epochs, recipe.kl, recipe.encoder) == (20, 100.0, "backbone")
    assert ProtoVAE.configured("cifar10", preset="paper").epochs == 60
    halvings = {name: ProtoVAE.configured(name, preset="paper").halving for name in ProtoVAE.presets["paper"]}
    assert [name for name, halving in halvings.items() if halving == "stride"] == ["svhn"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoder": "mlp"},
        {"halving": "max"},
        {"channels": ()},
        {"latent": 0},
        {"epsilon": 0.0},
        {"epochs": -1},
        {"batch_size": 1},
    ],
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(FitImpossible):
        ProtoVAE(**wrong)


def test_too_many_levels_for_the_image_are_refused(backbone, data):
    with pytest.raises(FitImpossible, match="name fewer channels"):
        ProtoVAE(channels=(8,) * 6).resume(backbone, data.train, Session(0))
