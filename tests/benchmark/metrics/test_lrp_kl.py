import math

import pytest
import torch

from sembench.evaluation.maps import NO_CLASS_MAP, Maps
from sembench.metrics.lrp_kl import LRP_KL, relevance_kl
from sembench.relevance.propagation import black_box_relevance, headless_relevance

NORMALISATIONS = ["abs", "positive", "softmax"]


def maps(seed=0, count=6):
    source = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, 5, 4, generator=source, dtype=torch.float64) for _ in range(2))


def test_a_half_half_map_against_a_quarter_map_is_known_in_nats():
    relevance, reference = torch.tensor([[[-2.0, 2.0]]]), torch.tensor([[[1.0, -3.0]]])
    forward = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    backward = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    assert relevance_kl(relevance, reference).item() == pytest.approx(forward, rel=1e-9)
    assert relevance_kl(relevance, reference, reverse=True).item() == pytest.approx(backward, rel=1e-9)


def test_all_relevance_on_one_of_k_pixels_against_an_even_map_is_log_k():
    single, even = torch.zeros(1, 3, 4), torch.full((1, 3, 4), -0.7)
    single[0, 1, 2] = 5.0
    assert relevance_kl(single, even).item() == pytest.approx(math.log(12), rel=1e-9)


def test_disjoint_maps_are_finite_and_far_apart():
    left, right = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    assert relevance_kl(left, right).item() == pytest.approx(-math.log(1e-12), rel=1e-6)


def test_negative_relevance_counts_by_its_size_or_not_at_all():
    relevance, reference = torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[1.0, 1.0]]])
    assert relevance_kl(relevance, reference).item() == pytest.approx(0, abs=1e-12)
    assert relevance_kl(relevance, reference, normalise="positive").item() == pytest.approx(math.log(2), rel=1e-9)


def test_softmax_of_known_odds_is_known():
    relevance = torch.tensor([[[math.log(3), 0.0]]], dtype=torch.float64)
    reference = torch.zeros(1, 1, 2, dtype=torch.float64)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert relevance_kl(relevance, reference, normalise="softmax").item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_divergence_is_never_negative_and_zero_for_equal_maps(normalise):
    relevance, reference = maps()
    for reverse in (False, True):
        assert bool((relevance_kl(relevance, reference, normalise=normalise, reverse=reverse) > 0).all())
        same = relevance_kl(relevance, relevance.clone(), normalise=normalise, reverse=reverse)
        assert same.tolist() == [0] * 6


@pytest.mark.parametrize("normalise", NORMALISATIONS)
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_constant_maps_are_even_maps_whatever_their_value(normalise, value):
    constant, zero = torch.full((2, 3, 3), value), torch.zeros(2, 3, 3)
    assert relevance_kl(constant, zero, normalise=normalise).tolist() == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_reversing_exchanges_the_two_maps(normalise):
    relevance, reference = maps()
    reverse = relevance_kl(relevance, reference, normalise=normalise, reverse=True)
    assert torch.equal(reverse, relevance_kl(reference, relevance, normalise=normalise))


def test_the_scale_and_the_sign_of_a_map_do_not_matter():
    relevance, reference = maps()
    scores = relevance_kl(relevance, reference)
    torch.testing.assert_close(relevance_kl(-1000 * relevance, 0.01 * reference), scores, rtol=1e-8, atol=0)


def test_a_constant_added_to_a_map_does_not_matter_under_softmax():
    relevance, reference = maps()
    scores = relevance_kl(relevance, reference, normalise="softmax")
    torch.testing.assert_close(relevance_kl(relevance + 50, reference, normalise="softmax"), scores)


def test_moving_the_pixels_of_both_maps_alike_does_not_matter():
    relevance, reference = maps()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    moved = (m.flatten(1)[:, order].view(-1, 5, 4) for m in (relevance, reference))
    torch.testing.assert_close(relevance_kl(*moved), relevance_kl(relevance, reference), rtol=1e-12, atol=0)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_batches_together_give_what_the_whole_gives(normalise):
    relevance, reference = maps()
    parts = [
        relevance_kl(r, b, normalise=normalise) for r, b in zip(relevance.split(4), reference.split(4), strict=True)
    ]
    torch.testing.assert_close(torch.cat(parts), relevance_kl(relevance, reference, normalise=normalise))


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_float32_maps_are_scored_in_float64(normalise):
    relevance, reference = (m.float() for m in maps())
    scores = relevance_kl(relevance, reference, normalise=normalise)
    assert scores.dtype == torch.float64
    assert torch.equal(scores, relevance_kl(relevance.double(), reference.double(), normalise=normalise))


def test_extreme_maps_give_finite_scores_under_softmax():
    relevance, reference = torch.tensor([[[1e4, -1e4]]]), torch.tensor([[[-1e4, 1e4]]])
    assert relevance_kl(relevance, reference, normalise="softmax").item() == pytest.approx(2e4)


def test_maps_of_the_largest_float32_numbers_give_finite_scores():
    huge = torch.full((1, 4, 4), torch.finfo(torch.float32).max)
    assert relevance_kl(huge, huge).item() == 0


def test_no_maps_have_no_scores():
    assert relevance_kl(torch.zeros(0, 3, 3), torch.zeros(0, 3, 3)).shape == (0,)


def test_inputs_stay_as_they_were():
    case = maps()
    copies = [part.clone() for part in case]
    for normalise in NORMALISATIONS:
        relevance_kl(*case, normalise=normalise)
    assert all(torch.equal(*pair) for pair in zip(case, copies, strict=True))


def test_an_unknown_normalisation_is_refused_with_the_accepted_ones():
    with pytest.raises(ValueError, match="unknown normalisation 'max'; accepted are abs, positive, softmax"):
        relevance_kl(*maps(), normalise="max")


@pytest.mark.parametrize("shapes", [((2, 4, 4), (3, 4, 4)), ((2, 4, 4), (2, 4, 5)), ((2, 3, 4, 4), (2, 3, 4, 4))])
def test_shapes_that_do_not_fit_are_refused_with_a_guess(shapes):
    with pytest.raises(ValueError, match="Sum over colour channels first"):
        relevance_kl(*map(torch.ones, shapes))


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_relevance_that_is_not_finite_is_refused(position, value):
    case = [m.clone() for m in maps()]
    case[position][2, 1, 1] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        relevance_kl(*case)


def test_the_meter_compares_with_the_black_box_and_knows_its_chance_level(world):
    evaluation = world.make_evaluation()
    scores = world.read_meters(evaluation, [LRP_KL])["lrp_kl"]
    maps, reference = evaluation.class_maps.relevance, evaluation.reference_relevance
    torch.testing.assert_close(scores.values, relevance_kl(maps, reference))
    torch.testing.assert_close(scores.chance, relevance_kl(maps[evaluation.other_images], reference))
    headless = headless_relevance(evaluation.reference.backbone, evaluation.sample.images)
    assert scores.levels.keys() == {"headless"}
    torch.testing.assert_close(scores.levels["headless"], relevance_kl(headless, reference), rtol=1e-3, atol=1e-6)
    assert scores.note == ""


def test_a_model_that_explains_as_the_black_box_does_scores_zero(world):
    evaluation = world.make_evaluation()
    evaluation.class_maps = Maps(evaluation.reference_relevance, "")
    scores = world.read_meters(evaluation, [LRP_KL])["lrp_kl"]
    assert scores.values.tolist() == [0] * 9
    assert bool((scores.chance > 0).all())


def test_a_map_that_is_zero_everywhere_and_one_that_stands_in_are_said(world):
    evaluation = world.make_evaluation()
    maps = evaluation.class_maps.relevance.clone()
    maps[[2, 5]] = 0
    evaluation.class_maps = Maps(maps, NO_CLASS_MAP)
    scores = world.read_meters(evaluation, [LRP_KL])["lrp_kl"]
    assert scores.note == f"{NO_CLASS_MAP}; 2 of 9 maps are 0 everywhere"
    assert bool(torch.isfinite(scores.values).all())


@pytest.mark.parametrize("bias", ["share", "zero"])
def test_the_level_without_a_head_is_the_same_for_every_model_of_a_network_and_a_setting(world, bias):
    levels = []
    for kind in (world.TinyModel, world.TinyCellModel):
        evaluation = world.make_evaluation(type("Set", (kind,), {"bias": bias}))
        levels.append(world.read_meters(evaluation, [LRP_KL])["lrp_kl"].levels["headless"])
    assert torch.equal(*levels)
    backbone, images = evaluation.reference.backbone, evaluation.sample.images
    reference, headless = (of(backbone, images, bias=bias) for of in (black_box_relevance, headless_relevance))
    torch.testing.assert_close(levels[0], relevance_kl(headless, reference), rtol=1e-3, atol=1e-6)
    other = headless_relevance(backbone, images, bias="zero" if bias == "share" else "share")
    assert not torch.allclose(levels[0], relevance_kl(other, reference), rtol=0.01)


def test_only_rules_that_the_model_has_are_variants(world):
    class Ruled(world.TinyModel):
        rules = ("prp", "a rule of its own", "neon")

    evaluation = world.make_evaluation(Ruled, variants=True)
    variants = world.read_meters(evaluation, [LRP_KL])["lrp_kl"].variants
    assert list(variants) == ["reverse", "positive", "softmax", "rule=neon", "rule=prp"]
    by_prp = Ruled(evaluation.reference.backbone, evaluation.dataset).attribute_by("prp", evaluation.sample.images)
    torch.testing.assert_close(
        variants["rule=prp"], relevance_kl(by_prp, evaluation.reference_relevance), rtol=1e-4, atol=1e-6
    )


def test_a_map_whose_scale_drowns_in_what_is_added_to_every_pixel_is_said(world):
    evaluation = world.make_evaluation()
    maps = evaluation.class_maps.relevance.clone()
    maps[[2, 5]] *= 1e-10 / maps[[2, 5]].abs().mean((1, 2), keepdim=True)
    evaluation.class_maps = Maps(maps, NO_CLASS_MAP)
    faint = "2 of 9 maps are below 1e-09 on average, nearly even beside the 1e-12 added to every pixel"
    assert world.read_meters(evaluation, [LRP_KL])["lrp_kl"].note == f"{NO_CLASS_MAP}; {faint}"
