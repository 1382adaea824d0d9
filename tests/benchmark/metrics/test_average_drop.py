"""Average drop and increase: hand-made cases, what a mask hides, and words for bad input."""

import pytest
import torch

from sembench.evaluation.perturbation import mask
from sembench.metrics.average_drop import average_drop, average_increase
from sembench.plugins.registry import METRICS


def test_what_is_lost_is_a_share_of_what_was_there():
    clean, masked = torch.tensor([0.8, 0.8, 0.8, 0.5]), torch.tensor([0.2, 0.8, 0.9, 0.0])
    assert average_drop(clean, masked).tolist() == pytest.approx([0.75, 0, 0, 1])
    assert average_increase(clean, masked).tolist() == [0, 0, 1, 0]


def test_nothing_can_be_lost_of_nothing():
    nothing = torch.zeros(2)
    assert average_drop(nothing, torch.tensor([0.0, 0.3])).tolist() == [0, 0]
    assert average_increase(nothing, torch.tensor([0.0, 0.3])).tolist() == [0, 1]


def test_a_mask_dims_towards_black_by_the_size_of_relevance():
    image, black = torch.tensor([[[[3.0, 3.0], [1.0, -1.0]]]]), torch.full((1, 1, 1, 1), -1.0)
    dimmed = mask(image, torch.tensor([[[-4.0, 2.0], [0.0, 1.0]]]), black)
    assert dimmed.flatten().tolist() == [3, 1, -1, -1]


def test_all_channels_are_dimmed_alike_and_every_map_has_its_own_scale():
    images, black = torch.ones(2, 3, 1, 2), torch.zeros(1, 3, 1, 1)
    dimmed = mask(images, torch.tensor([[[1.0, 0.5]], [[100.0, -25.0]]]), black)
    assert dimmed[0].tolist() == [[[1, 0.5]]] * 3
    assert dimmed[1].tolist() == [[[1, 0.25]]] * 3


def test_an_even_map_hides_nothing_and_a_map_of_zeros_everything():
    images, black = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.full((1, 3, 1, 1), -2.0)
    maps = torch.stack([torch.full((4, 4), -0.3), torch.zeros(4, 4)])
    dimmed = mask(images, maps, black)
    assert torch.equal(dimmed[1], black.expand(2, 3, 4, 4)[1])
    torch.testing.assert_close(dimmed[0], images[0])


@pytest.mark.parametrize(
    ("clean", "masked", "words"),
    [
        ([0.5], [0.5, 0.5], "must both be"),
        ([1.5], [0.5], "give probabilities"),
        ([0.5], [float("nan")], "give probabilities"),
    ],
)
def test_what_is_no_pair_of_probabilities_is_refused(clean, masked, words):
    for measure in (average_drop, average_increase):
        with pytest.raises(ValueError, match=words):
            measure(torch.tensor(clean), torch.tensor(masked))


def test_a_map_that_does_not_fit_is_refused():
    images, black = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 1, 1)
    with pytest.raises(ValueError, match="must be"):
        mask(images, torch.zeros(1, 2, 3), black)
    with pytest.raises(ValueError, match="NaN"):
        mask(images, torch.full((1, 2, 2), torch.nan), black)


def test_the_map_of_another_image_is_the_level_of_chance(world):
    evaluation = world.make_evaluation()
    found = world.read_meters(evaluation, [METRICS.get(name) for name in ("average_drop", "average_increase")])
    images, black = evaluation.sample.images, evaluation.dataset.test.normalisation(torch.zeros(1, 3, 1, 1))
    decided = evaluation.explain(evaluation.sample).predictions[:, None]
    clean, masked, other = (
        evaluation.predict(seen).gather(1, decided)[:, 0]
        for seen in (
            images, mask(images, evaluation.class_maps.relevance, black),
            mask(images, evaluation.class_maps.relevance[evaluation.other_images], black),
        )
    )  # fmt: skip
    torch.testing.assert_close(found["average_drop"].values, average_drop(clean, masked))
    torch.testing.assert_close(found["average_drop"].chance, average_drop(clean, other))
    assert torch.equal(found["average_increase"].values, average_increase(clean, masked))
    assert torch.equal(found["average_increase"].chance, average_increase(clean, other))


def test_a_single_image_has_no_level_of_chance(world):
    evaluation = world.make_evaluation(explained_images=1)
    (scores,) = world.read_meters(evaluation, [METRICS.get("average_drop")]).values()
    assert scores.values.shape == (1,)
    assert scores.chance is None
