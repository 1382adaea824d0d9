"""The two maps of a model, what stands in where there is one, and what RO-AUROC makes of them."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny_world
from sembench.errors import NotOffered
from sembench.evaluation.maps import NO_CLASS_MAP, NO_PROTOTYPE_MAP, Maps, class_maps, most_similar, prototype_maps
from sembench.evaluation.perturbation import area_under_curve, relevance_order_curve
from sembench.explainers.explainer import SelfExplainableModel
from sembench.metrics.applicability import Offer
from sembench.metrics.scoring import score
from sembench.plugins.registry import METRICS
from sembench.relevance.propagation import propagate
from sembench.types import SHARED, Capability, Prototypes, Trait


def metrics(*names):
    return [METRICS.get(name) for name in names]


class Bare(tiny_world.TinyModel):
    """The model without prototypes."""

    @property
    def prototypes(self):
        return Prototypes(self.vectors[:0], self.classes[:0])

    def forward(self, images):
        said = super().forward(images)
        return dataclasses.replace(said, similarities=said.similarities[:, :0])

    def class_probabilities(self, explanation):
        return explanation.class_scores.softmax(1)


def without(*lacking, kind=tiny_world.TinyModel, **said):
    """The kind of a model without these maps, and with other attributes."""
    return type("Lacking", (kind,), {name: getattr(SelfExplainableModel, name) for name in lacking} | said)


def of_classes(*classes):
    """The kind of `TinyModel` whose prototypes say that they are of these classes."""
    said = property(lambda self: Prototypes(self.vectors, torch.tensor(classes)))
    return type("Said", (tiny_world.TinyModel,), {"prototypes": said})


# --- which map is which ----------------------------------------------------------------------------------------


def model_and_images(kind):
    data = tiny_world.make_data()
    return kind(tiny_world.make_backbone(), data).eval(), data.test.batch(torch.arange(7)).images


def same(found, relevance, stand_in):
    assert found.stand_in == stand_in
    torch.testing.assert_close(found.relevance, relevance)


def nearest_of_the_decided_class(model, images):
    """One image and one prototype at a time."""
    said = model(images)
    chosen = []
    for similarities, decided in zip(said.similarities.tolist(), said.predictions.tolist(), strict=True):
        own = [j for j, label in enumerate(model.classes.tolist()) if label == decided]
        chosen.append(max(own, key=lambda j, values=similarities: values[j]))
    return torch.tensor(chosen)


def test_a_model_with_both_maps_shows_each_where_it_belongs():
    model, images = model_and_images(tiny_world.TinyModel)
    nearest = nearest_of_the_decided_class(model, images)
    assert len(nearest.unique()) > 2
    same(class_maps(model, images), model.attribute(images, model(images).predictions), "")
    same(prototype_maps(model, images), model.attribute_prototypes(images, nearest), "")


def test_the_prototype_map_is_of_the_decided_class_not_of_the_most_similar_prototype_of_all():
    model, images = model_and_images(tiny_world.deciding(lambda probable: (probable + 1) % 3))
    nearest = nearest_of_the_decided_class(model, images)
    assert not torch.equal(nearest, model(images).similarities.argmax(1))
    same(prototype_maps(model, images), model.attribute_prototypes(images, nearest), "")


def test_a_model_with_one_map_shows_it_for_both_and_says_which_stands_in():
    model, images = model_and_images(without("attribute_prototypes"))
    own = model.attribute(images)
    same(class_maps(model, images), own, "")
    same(prototype_maps(model, images), own, NO_PROTOTYPE_MAP)
    model, images = model_and_images(without("attribute"))
    own = model.attribute_prototypes(images, nearest_of_the_decided_class(model, images))
    same(class_maps(model, images), own, NO_CLASS_MAP)
    same(prototype_maps(model, images), own, "")


def test_a_model_that_explains_by_its_class_or_has_no_prototypes_shows_class_maps_and_nothing_stands_in():
    for kind in (without(explains_by="class"), Bare):
        model, images = model_and_images(kind)
        own = model.attribute(images)
        same(class_maps(model, images), own, "")
        same(prototype_maps(model, images), own, "")


@pytest.mark.parametrize("kind", [tiny_world.TinyModel, Bare])
@pytest.mark.parametrize("explains_by", ["class", "prototype"])
def test_a_model_without_any_map_offers_neither(kind, explains_by):
    model, images = model_and_images(without("attribute", "attribute_prototypes", kind=kind, explains_by=explains_by))
    for maps in (class_maps, prototype_maps):
        with pytest.raises(NotOffered, match=r"Lacking does not offer .*Capability.ATTRIBUTION out of"):
            maps(model, images)


def test_an_error_of_a_method_is_not_taken_for_a_map_that_it_lacks():
    def broken(self, *given):
        raise ZeroDivisionError

    for kind in (without(attribute=broken), without(attribute_prototypes=broken)):
        model, images = model_and_images(kind)
        maps = class_maps if kind.attribute is broken else prototype_maps
        with pytest.raises(ZeroDivisionError):
            maps(model, images)


@pytest.mark.parametrize(
    ("zeros", "stand_in", "note"),
    [
        ([], "", ""),
        ([], "stands in", "stands in"),
        ([1], "", "1 of 3 maps are 0 everywhere"),
        ([0, 2], "stands in", "stands in; 2 of 3 maps are 0 everywhere"),
    ],
)
def test_a_note_says_which_map_stands_in_and_how_many_say_nothing(zeros, stand_in, note):
    maps = torch.tensor([0.0, -1.0]).repeat(3, 1, 1)
    maps[zeros] = 0
    assert Maps(maps, stand_in).note == note


def test_the_first_of_equally_similar_prototypes_of_the_class_is_the_most_similar():
    prototypes = Prototypes(torch.zeros(5, 1), torch.tensor([1, 0, 0, 1, 0]))
    similarities = torch.tensor([[9.0, 1.0, 2.0, 9.0, 2.0]]).repeat(2, 1)
    assert most_similar(similarities, prototypes, torch.tensor([0, 1])).tolist() == [2, 0]


def test_shared_prototypes_are_of_every_class_and_a_class_without_any_takes_all():
    similarities = torch.tensor([[1.0, 5.0, 3.0]]).repeat(3, 1)
    some = Prototypes(torch.zeros(3, 1), torch.tensor([0, 1, SHARED]))
    assert most_similar(similarities, some, torch.tensor([0, 1, 2])).tolist() == [2, 1, 2]
    none = Prototypes(torch.zeros(3, 1), torch.tensor([0, 1, 0]))
    assert most_similar(similarities, none, torch.tensor([0, 1, 2])).tolist() == [2, 1, 1]
    every = Prototypes(torch.zeros(3, 1), torch.full((3,), SHARED))
    assert most_similar(similarities, every, torch.tensor([0, 1, 2])).tolist() == [1, 1, 1]


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.data())
def test_the_most_similar_prototype_is_found_one_by_one(data):
    count = data.draw(st.integers(1, 6))
    classes = data.draw(st.lists(st.sampled_from([SHARED, 0, 1, 2]), min_size=count, max_size=count))
    similarities = data.draw(st.lists(st.integers(-2, 2), min_size=count, max_size=count))
    for label in range(4):
        own = [j for j in range(count) if classes[j] in (label, SHARED)] or list(range(count))
        expected = max(own, key=lambda j: (similarities[j], -j))
        prototypes = Prototypes(torch.zeros(count, 1), torch.tensor(classes))
        found = most_similar(torch.tensor([similarities]).double(), prototypes, torch.tensor([label]))
        assert found.tolist() == [expected]


# --- what they cost, and what RO-AUROC makes of them -----------------------------------------------------------


CURVE = 4 + 1
"""Points of a curve, a forward pass each."""


@pytest.mark.parametrize(
    ("kind", "name", "plain", "more"),
    [
        ("both maps", "lrp_kl", 1, 4),  # a map for each rule
        ("both maps", "ro_auroc", 1 + 2 + 2 * CURVE, 2 * (1 + CURVE) + 1 + CURVE),  # two prototypes a class; class map
        ("both maps", "ro_auroc_gain", 1 + 2 + 2 * CURVE, 2 * (1 + CURVE) + 1 + CURVE),
        ("shared", "ro_auroc", 1 + 2 + 2 * CURVE, 6 * (1 + CURVE) + 1 + CURVE),
        ("no rules", "lrp_kl", 1, 0),
        ("no class map", "lrp_kl", 1 + 1, 4),
        ("no class map", "ro_auroc", 1 + 2 + 2 * CURVE, 2 * (1 + CURVE) + 1 + 1),
        ("no prototype map", "ro_auroc", 1 + 1 + 1 + 2 * CURVE, 1),
        ("shows classes", "ro_auroc", 1 + 1 + 2 * CURVE, 0),
        ("no prototypes", "ro_auroc", 1 + 1 + 2 * CURVE, 0),
    ],
)
def test_variants_cost_what_is_said_where_decisions_follow_probabilities(kind, name, plain, more):
    kinds = {
        "both maps": tiny_world.TinyModel,
        "shared": of_classes(*[SHARED] * 6),
        "no rules": without(rules=()),
        "no class map": without(
            "attribute", attribute_by=lambda self, rule, x: tiny_world.TinyModel.attribute(self, x)
        ),
        "no prototype map": without("attribute_prototypes"),
        "shows classes": without(explains_by="class"),
        "no prototypes": Bare,
    }
    made = tiny_world.deciding(lambda probable: probable, kinds[kind])
    for variants, expected in ((False, plain), (True, plain + more)):
        found = tiny_world.count_passes(tiny_world.make_evaluation(made, variants=variants), [name])
        assert found[1] == 9 * expected, f"variants: {variants}"


def test_the_most_probable_class_is_another_variant_where_it_is_not_decided_for():
    evaluation = tiny_world.make_evaluation(tiny_world.deciding(torch.zeros_like), variants=True, batch_size=4)
    images, noise = evaluation.sample.images, evaluation.reference.noise
    most_probable = evaluation.predict(images).argmax(1)
    others = most_probable != 0
    assert 0 < int(others.sum()) < len(others)
    orders = evaluation.prototype_maps.relevance, evaluation.reference.random_order
    both = evaluation.relevance_order_curves, evaluation.most_probable_curves
    for order, decided, probable in zip(orders, *both, strict=True):
        for found, targets in ((decided, torch.zeros_like(most_probable)), (probable, most_probable)):
            expected = relevance_order_curve(evaluation.predict, images, order, noise, steps=4, targets=targets)
            torch.testing.assert_close(found, expected)
        assert torch.equal(decided[~others], probable[~others])
        assert bool((decided[others] != probable[others]).any(1).all())
    ordered, random = (area_under_curve(curve) for curve in evaluation.most_probable_curves)
    scores, gain = (METRICS.get(name).meter(evaluation).scores() for name in ("ro_auroc", "ro_auroc_gain"))
    assert torch.equal(scores.variants["most probable class"], ordered)
    assert torch.equal(gain.variants["most probable class"], ordered - random)


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("classes", [(0, 1, 2, 0, 1, 2), (0, 0, 0, 1, 1, 2), (0, SHARED, 0, 0, 1, 2), (SHARED,) * 6])
def test_all_prototypes_are_averaged_image_by_image_in_batches_of_any_size(classes, size):
    evaluation = tiny_world.make_evaluation(of_classes(*classes), variants=True, batch_size=size)
    largest = []
    attribute = evaluation.model.attribute_prototypes
    evaluation.model.attribute_prototypes = lambda x, j: largest.append(len(x)) or attribute(x, j)
    found = evaluation.all_prototypes_curve
    assert max(largest) <= size
    images, noise = evaluation.sample.images, evaluation.reference.noise
    targets = evaluation.decisions[0]
    for row in range(len(images)):
        one, curves = slice(row, row + 1), []
        for j in range(6):
            if classes[j] in (int(targets[row]), SHARED):
                order = attribute(images[one], torch.tensor([j])).detach()
                curves.append(
                    relevance_order_curve(
                        evaluation.predict, images[one], order, noise[one], steps=4, targets=targets[one]
                    )
                )
        torch.testing.assert_close(found[row], torch.cat(curves).mean(0), rtol=1e-4, atol=1e-5)


def test_a_stand_in_is_said_with_the_scores_of_every_measure_of_maps():
    names = "lrp_kl", "sparseness", "ro_auroc", "ro_auroc_gain"
    for lacking, notes in (
        ("attribute_prototypes", ["", "", NO_PROTOTYPE_MAP, NO_PROTOTYPE_MAP]),
        ("attribute", [NO_CLASS_MAP, NO_CLASS_MAP, "", ""]),
    ):
        scores = tiny_world.read_meters(tiny_world.make_evaluation(without(lacking)), metrics(*names))
        assert [scores[name].note for name in names] == notes


@pytest.mark.parametrize("kind", [tiny_world.TinyModel, Bare])
@pytest.mark.parametrize("name", ["lrp_kl", "ro_auroc"])
def test_a_model_without_any_map_says_so_when_it_is_scored(kind, name):
    blind = without("attribute", "attribute_prototypes", kind=kind)
    with pytest.raises(NotOffered, match="Lacking does not offer the relevance of"):
        tiny_world.read_meters(tiny_world.make_evaluation(blind), metrics(name))


class Waves(tiny_world.TinyModel):
    """A method whose maps go through a step that has no rule of relevance."""

    def attribute(self, images, targets=None):
        return propagate(self, lambda model, x: model.backbone.embed(x).sin(), images, torch.ones_like)

    def attribute_prototypes(self, images, prototypes):
        return self.attribute(images)


def test_a_step_of_a_method_without_a_rule_is_not_applicable_by_name_and_all_else_is_measured():
    offered = Offer(frozenset(Capability) | frozenset(Trait), {}, None)
    asked = metrics("accuracy", "lrp_kl", "ro_auroc", "diversity")
    found = score(offered, asked, tiny_world.make_evaluation(Waves))
    reasons = {name: getattr(entry, "reason", None) for name, entry in found.items()}
    assert reasons["accuracy"] is None
    assert reasons["diversity"] is None
    for name in ("lrp_kl", "ro_auroc"):
        assert "its step 'sin' has no rule of relevance" in reasons[name]
