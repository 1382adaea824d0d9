"""One pass a split, the same noise for everyone, and errors that name who broke a promise."""

import math

import pytest
import torch

import tiny_world
from sembench.backbones.feature_cache import FeatureCache
from sembench.cost import PassCounter
from sembench.data.dataset import Split
from sembench.data.normalisation import Normalisation
from sembench.errors import ContractBroken
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.reference import Reference, explained_sample
from sembench.metrics.scoring import run_passes
from sembench.plugins.registry import METRICS
from sembench.relevance.propagation import black_box_relevance
from sembench.suites.suite import EvaluationSpec
from sembench.types import Explanation, Prototypes

METRIC_NAMES = [name for name in METRICS.names() if METRICS.origin(name).startswith("sembench.")]


@pytest.fixture(scope="module")
def world():
    """The module `tiny_world`: a data set, a backbone and models of a few channels."""
    return tiny_world


def metrics(*names):
    return [METRICS.get(name) for name in names]


def make_split(*counts):
    """A test split with that many images of each class, in a mixed order."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    unit = Normalisation((0.0,) * 3, (1.0,) * 3)
    return Split(torch.zeros(len(labels), 1, 2, 2), labels, 2, unit, len(counts))


# Which images are explained


@pytest.mark.parametrize("count", [1, 5, 9, 30])
def test_explained_images_are_sorted_without_duplicates_and_in_the_split(count):
    indices = explained_sample(make_split(20, 15, 10), count, seed=0, name="x")
    assert indices.dtype == torch.int64
    assert indices.tolist() == sorted(set(indices.tolist()))
    assert len(indices) == count
    assert 0 <= int(indices.min()) <= int(indices.max()) < 45


@pytest.mark.parametrize(("count", "expected"), [(3, [1, 1, 1]), (6, [2, 2, 2]), (12, [5, 5, 2]), (27, [15, 10, 2])])
def test_explained_images_are_balanced_as_far_as_each_class_goes(count, expected):
    split = make_split(15, 10, 2)
    found = split.labels[explained_sample(split, count, seed=3, name="x")].bincount(minlength=3)
    assert found.tolist() == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [4, 7, 8, 20])
def test_class_counts_differ_by_one_at_most_where_the_count_does_not_divide(count, seed):
    split = make_split(20, 20, 20)
    found = split.labels[explained_sample(split, count, seed=seed, name="x")].bincount(minlength=3)
    assert int(found.sum()) == count
    assert int(found.max() - found.min()) <= 1


def test_at_most_the_whole_split_is_explained():
    assert explained_sample(make_split(4, 2), 100, seed=0, name="x").tolist() == list(range(6))


def test_a_class_that_is_missing_from_the_split_is_passed_over():
    split = make_split(6, 0, 6)
    assert split.labels[explained_sample(split, 6, seed=0, name="x")].bincount(minlength=3).tolist() == [3, 0, 3]


def test_explained_images_depend_on_seed_and_data_set_and_on_nothing_else():
    split = make_split(40, 40)
    first = explained_sample(split, 20, seed=0, name="x")
    torch.rand(7)
    assert torch.equal(first, explained_sample(split, 20, seed=0, name="x"))
    assert not torch.equal(first, explained_sample(split, 20, seed=1, name="x"))
    assert not torch.equal(first, explained_sample(split, 20, seed=0, name="y"))


def test_explaining_more_images_keeps_those_that_were_explained():
    split = make_split(20, 20)
    fewer, more = (set(explained_sample(split, count, seed=0, name="x").tolist()) for count in (10, 16))
    assert fewer < more


# The sample, its noise and its random order


def test_the_sample_holds_the_normalised_images_of_its_indices(world):
    evaluation = world.make_evaluation()
    test, sample = evaluation.dataset.test, evaluation.sample
    assert torch.equal(sample.labels, test.labels[sample.indices])
    assert torch.equal(sample.images, test.batch(sample.indices).images)
    assert sample.labels.bincount().tolist() == [3, 3, 3]


def test_noise_is_uniform_in_pixel_space_and_then_normalised(world):
    reference = world.make_evaluation(explained_images=17).reference
    normalisation = reference.dataset.test.normalisation
    mean, std = (torch.tensor(values)[:, None, None] for values in (normalisation.mean, normalisation.std))
    pixels = reference.noise * std + mean
    assert reference.noise.shape == reference.sample.images.shape
    assert float(pixels.min()) > -1e-5
    assert float(pixels.max()) < 1 + 1e-5
    assert float(pixels.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(pixels.var()) == pytest.approx(1 / 12, abs=0.005)


def test_noise_differs_from_image_to_image_from_channel_to_channel_and_from_the_random_order(world):
    reference = world.make_evaluation(explained_images=17).reference
    flat = reference.noise.flatten(0, 1).flatten(1)
    assert len(flat.unique(dim=0)) == 17 * 3
    ranks = torch.cat([reference.random_order.flatten(1), flat]).argsort(1)
    assert len(ranks.unique(dim=0)) == 17 * 4


def test_noise_and_random_order_are_the_same_for_every_model_backbone_and_batch_size(world):
    first = world.make_evaluation().reference
    second = world.make_evaluation(world.TinyCellModel, backbone=world.make_backbone(7), batch_size=2).reference
    assert torch.equal(first.sample.indices, second.sample.indices)
    assert torch.equal(first.noise, second.noise)
    assert torch.equal(first.random_order, second.random_order)


def test_noise_and_random_order_belong_to_the_image_and_not_to_its_place_in_the_sample(world):
    fewer, more = (world.make_evaluation(explained_images=count).reference for count in (6, 17))
    places = more.sample.indices.tolist()
    for row, index in enumerate(fewer.sample.indices.tolist()):
        assert torch.equal(fewer.noise[row], more.noise[places.index(index)])
        assert torch.equal(fewer.random_order[row], more.random_order[places.index(index)])


def test_noise_and_random_order_depend_on_the_seed_and_on_the_data_set(world):
    first = world.make_evaluation(explained_images=17).reference
    seeded = world.make_evaluation(explained_images=17, seed=1).reference
    named = world.make_evaluation(explained_images=17, data=world.make_data("other")).reference
    for other in (seeded, named):
        assert not bool((first.noise == other.noise).any())
        assert not bool((first.random_order == other.random_order).any())


@pytest.mark.parametrize("count", [2, 3, 9, 17])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_other_images_go_once_around_and_never_map_an_image_to_itself(world, count, seed):
    other = world.make_evaluation(explained_images=count, seed=seed).other_images.tolist()
    place, seen = 0, []
    for _ in range(count):
        place = other[place]
        seen.append(place)
    assert sorted(seen) == list(range(count))
    assert all(place != position for position, place in enumerate(other))


def test_a_single_image_is_no_chance_level_of_itself(world):
    scores = world.read_meters(world.make_evaluation(explained_images=1), metrics("lrp_kl"))["lrp_kl"]
    assert scores.chance is None or not torch.equal(scores.chance, scores.values)


def test_the_black_box_is_asked_for_its_own_predictions_and_maps(world):
    evaluation = world.make_evaluation()
    backbone, test = evaluation.reference.backbone, evaluation.dataset.test
    right = backbone(test.batch(torch.arange(17)).images).argmax(1) == test.labels
    assert evaluation.reference_correct.tolist() == right.double().tolist()
    maps = black_box_relevance(backbone, evaluation.sample.images)
    torch.testing.assert_close(evaluation.reference_relevance, maps, rtol=1e-4, atol=1e-6)


# Shared passes


def ceil(count, size):
    return math.ceil(count / size)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_all_metrics_together_cost_a_pass_a_split_and_what_the_explained_images_take(world, size):
    """Both maps, of which one is chosen by a pass; a pass for decisions, two curves, two for masks."""
    passes, images = world.count_passes(world.make_evaluation(batch_size=size), METRIC_NAMES)
    each = 1 + 2 + 1 + 2 * (4 + 1) + 2
    assert images == 24 + 17 + each * 9
    assert passes == ceil(24, size) + ceil(17, size) + each * ceil(9, size)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["accuracy"], 17),
        (["accuracy", "accuracy_gap"], 17),
        (["accuracy_train", "ghosting", "alignment_class", "alignment_out"], 24),
        (["lrp_kl"], 9),
        (["ro_auroc"], (1 + 2 + 2 * 5) * 9),
        (["ro_auroc_gain"], (1 + 2 + 2 * 5) * 9),
        (["ro_auroc", "ro_auroc_gain", "lrp_kl"], (1 + 2 + 2 * 5 + 1) * 9),
        (["average_drop", "average_increase"], 9 + 3 * 9),
        (["diversity"], 0),
        ([], 0),
    ],
)
def test_metrics_cost_what_they_share_and_nothing_else(world, names, expected):
    assert world.count_passes(world.make_evaluation(), names)[1] == expected


def test_what_the_black_box_costs_is_not_the_entrys(world):
    evaluation = world.make_evaluation()
    with evaluation.counter as counter:
        world.read_meters(evaluation, metrics("accuracy_gap", "lrp_kl"))
    assert counter.images == 17 + 9


def test_the_black_box_is_asked_once_for_all_entries_that_are_paired_with_it(world):
    data, backbone = world.make_data(), world.make_backbone()
    reference = Reference(backbone, data, 0, EvaluationSpec(explained_images=9, steps=4, batch_size=5))
    with PassCounter(backbone) as counter:
        for name in ("first", "second"):
            evaluation = Evaluation(world.TinyModel(backbone, data).eval(), reference, name)
            counter.passes = 0
            assert evaluation.reference_relevance.shape == (9, 8, 8)
            assert evaluation.reference_correct.shape == (17,)
            asked = counter.passes
            assert (asked > 0) == (name == "first")


def test_meters_see_every_image_of_their_split_once_and_in_order(world):
    evaluation = world.make_evaluation(batch_size=7)
    seen = {"train": [], "test": []}

    class Witness:
        observes = frozenset({"train", "test"})

        def observe(self, split, batch, explanation):
            assert len(explanation.similarities) == len(batch)
            seen[split] += batch.indices.tolist()

    run_passes(evaluation, [Witness()])
    assert seen == {"train": list(range(24)), "test": list(range(17))}


def test_passes_are_run_without_gradients(world):
    evaluation = world.make_evaluation()
    for parameter in evaluation.model.parameters():
        parameter.requires_grad_(True)
    assert not evaluation.explain(evaluation.sample).class_scores.requires_grad
    assert not evaluation.predict(evaluation.sample.images).requires_grad
    assert not evaluation.class_maps.relevance.requires_grad
    assert not evaluation.prototype_maps.relevance.requires_grad
    assert not evaluation.headless_maps.requires_grad
    assert not any(curve.requires_grad for curve in evaluation.relevance_order_curves)


def test_only_images_that_other_entries_ask_for_too_are_remembered(world):
    """Noised images in random order are everybody's; those in an entry's own order would fill the memory."""

    class Flipped(world.TinyModel):
        def attribute_prototypes(self, images, prototypes):
            return super().attribute_prototypes(images, prototypes).flip(2)

    backbone = world.make_backbone()
    backbone.feature_cache = FeatureCache(10**9)
    held, found = [], []
    for kind in (world.TinyModel, Flipped):
        evaluation = world.make_evaluation(kind, backbone=backbone, batch_size=4)
        with evaluation.counter:
            found.append(evaluation.relevance_order_curves)
        held.append(backbone.feature_cache.held)
    assert held[0] == held[1] > 0
    assert torch.equal(found[0][1], found[1][1])
    assert not torch.equal(found[0][0], found[1][0])


def test_predictions_of_any_number_of_images_are_joined_in_their_order(world):
    evaluation = world.make_evaluation(batch_size=4)
    images = evaluation.sample.images
    torch.testing.assert_close(
        evaluation.predict(images), evaluation.model.probabilities(images).detach(), rtol=1e-5, atol=1e-6
    )


# Broken promises


def breaking(world, part, change):
    """A model whose explanations have one part changed."""

    class Broken(world.TinyCellModel):
        def forward(self, images):
            explanation = super().forward(images)
            return Explanation(**(vars(explanation) | {part: change(getattr(explanation, part))}))

    return Broken


def with_nan(tensor):
    tensor = tensor.clone()
    tensor[(0,) * tensor.ndim] = torch.nan
    return tensor


def a_column_more(tensor):
    return torch.cat([tensor, tensor[:, :1]], 1)


def a_row_less(tensor):
    return tensor[1:]


def a_prototype_less(square):
    return square[1:, 1:]


def a_pixel_less(maps):
    return maps[..., 1:]


def a_channel_more(maps):
    return maps[:, None]


@pytest.mark.parametrize("part", ["class_scores", "similarities", "similarity_maps", "embeddings"])
@pytest.mark.parametrize("change", [with_nan, a_column_more, a_row_less])
def test_an_explanation_that_breaks_its_promise_is_named(world, part, change):
    evaluation = world.make_evaluation(breaking(world, part, change), name="the-culprit")
    with pytest.raises(ContractBroken, match=f"the-culprit.*{part}"):
        world.read_meters(evaluation, metrics("ghosting", "alignment_class"))


@pytest.mark.parametrize("name", ["accuracy", "accuracy_train"])
def test_decisions_of_a_wrong_shape_are_named(world, name):
    broken = breaking(world, "decisions", lambda _: torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ContractBroken, match=r"the-culprit.*predictions"):
        world.read_meters(world.make_evaluation(broken, name="the-culprit"), metrics(name))


@pytest.mark.parametrize("change", [with_nan, a_column_more, a_row_less])
def test_probabilities_that_break_their_promise_are_named(world, change):
    class Broken(world.TinyModel):
        def class_probabilities(self, explanation):
            return change(super().class_probabilities(explanation))

    evaluation = world.make_evaluation(Broken, name="the-culprit")
    with pytest.raises(ContractBroken, match=r"the-culprit.*probabilities"):
        evaluation.predict(evaluation.sample.images)


@pytest.mark.parametrize(
    ("name", "part"), [("lrp_kl", "attribute"), ("lrp_kl", "attribute_by"), ("ro_auroc", "attribute_prototypes")]
)
@pytest.mark.parametrize("change", [with_nan, a_row_less, a_channel_more, a_pixel_less])
def test_relevance_that_breaks_its_promise_is_named(world, name, part, change):
    whole = getattr(world.TinyModel, part)
    broken = type("Broken", (world.TinyModel,), {part: lambda self, *given: change(whole(self, *given))})
    evaluation = world.make_evaluation(broken, name="the-culprit", variants=True)
    with pytest.raises(ContractBroken, match=r"the-culprit.*relevance"):
        world.read_meters(evaluation, metrics(name))


@pytest.mark.parametrize("change", [with_nan, a_row_less, a_channel_more, a_pixel_less])
def test_a_map_of_any_prototype_that_breaks_its_promise_is_named(world, change):
    evaluation = world.make_evaluation(name="the-culprit")
    assert evaluation.prototype_maps.stand_in == ""
    whole = evaluation.model.attribute_prototypes
    evaluation.model.attribute_prototypes = lambda *given: change(whole(*given))
    with pytest.raises(ContractBroken, match=r"the-culprit.*relevance"):
        _ = evaluation.all_prototypes_curve


@pytest.mark.parametrize("change", [with_nan, a_column_more, a_row_less])
def test_similarities_that_a_map_is_chosen_by_are_checked_first(world, change):
    evaluation = world.make_evaluation(breaking(world, "similarities", change), name="the-culprit")
    with pytest.raises(ContractBroken, match=r"the-culprit.*similarities"):
        world.read_meters(evaluation, metrics("ro_auroc"))


@pytest.mark.parametrize("change", [with_nan, a_column_more, a_row_less, a_prototype_less])
def test_prototype_similarities_that_break_their_promise_are_named(world, change):
    class Broken(world.TinyModel):
        def prototype_similarities(self):
            return change(super().prototype_similarities())

    with pytest.raises(ContractBroken, match=r"the-culprit.*prototype_similarities"):
        world.read_meters(world.make_evaluation(Broken, name="the-culprit"), metrics("diversity"))


def test_prototypes_without_a_class_can_be_scored_for_ghosting(world):
    class Shared(world.TinyModel):
        @property
        def prototypes(self):
            return Prototypes(self.vectors, torch.full((6,), -1))

    evaluation = world.make_evaluation(Shared, variants=True)
    scores = world.read_meters(evaluation, metrics("ghosting"))["ghosting"]
    train = evaluation.dataset.train
    similarities = evaluation.explain(train.batch(torch.arange(24))).similarities
    used = set(similarities.argmax(1).tolist())
    assert scores.values.tolist() == [0.0 if j in used else 1.0 for j in range(6)]
    assert torch.equal(scores.variants["scope=all"], scores.values)


def test_probabilities_of_too_few_classes_are_named(world):
    class Narrow(world.TinyModel):
        def class_probabilities(self, explanation):
            return super().class_probabilities(explanation)[:, :2]

    with pytest.raises(ContractBroken, match=r"probabilities has shape \(9, 2\), expected \(9, 3\)"):
        _ = world.make_evaluation(Narrow).decisions
