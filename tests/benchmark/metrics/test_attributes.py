"""Attributes: planted ones are found, chance is beaten by design and met by chance, and data has to offer them."""

import dataclasses

import pytest
import torch

from sembench.errors import ContractBroken
from sembench.metrics.attributes import (
    ATTRIBUTE_CORRELATION,
    ATTRIBUTES_CAPTURED,
    captured,
    captured_by_chance,
    correlation,
    correlation_error,
)
from sembench.seeding import generator
from sembench.types import Capability


def planted(count=4000):
    """Hat and tie go together in 9 of 10 cases, beard comes in 1 of 100, everybody has a face, nobody a tail."""
    source = generator(0, "planted")
    hat = torch.rand(count, generator=source) < 0.5
    tie = torch.where(torch.rand(count, generator=source) < 0.9, hat, ~hat)
    beard = torch.rand(count, generator=source) < 0.01
    return torch.stack([hat, tie, beard, torch.ones(count).bool(), torch.zeros(count).bool()], 1)


def test_planted_correlations_are_found():
    found = correlation(planted())
    assert found[0, 1].item() == pytest.approx(0.8, abs=0.03)
    assert found[0, 2].abs().item() < 0.05
    assert found.diagonal().tolist() == pytest.approx([1, 1, 1, 0, 0])
    assert found[3:].abs().sum() == 0
    torch.testing.assert_close(found, found.T, rtol=0, atol=1e-12)  # some processors' products are not symmetric


def test_one_prototype_for_each_kind_of_image_captures_everything_there_is():
    attributes = planted()
    kinds = attributes.unique(dim=0)
    assert captured(kinds).tolist() == [1, 1, 1, 1, 0]
    assert captured(attributes[:0]).tolist() == [0] * 5


def test_the_chance_to_capture_grows_with_prototypes_and_with_how_common_an_attribute_is():
    attributes = planted()
    few, many = captured_by_chance(attributes, 5), captured_by_chance(attributes, 50)
    assert few[:3].tolist() == pytest.approx([1 - 0.5**5, 1 - 0.5**5, 0.05], abs=0.02)
    assert bool((many >= few).all())
    assert few[3:].tolist() == [1, 0]
    assert captured_by_chance(attributes, len(attributes) + 1)[:4].tolist() == [1, 1, 1, 1]


def test_random_images_capture_as_much_as_chance_says():
    attributes, source = planted(), generator(1, "draws")
    draws = [captured(attributes[torch.randperm(len(attributes), generator=source)[:5]]) for _ in range(2000)]
    torch.testing.assert_close(torch.stack(draws).mean(0), captured_by_chance(attributes, 5), atol=0.03, rtol=0)


def test_a_prototype_set_like_the_data_has_no_correlation_error_and_a_reversed_one_has_much():
    attributes = planted()
    assert correlation_error(attributes, attributes).abs().max() == 0
    reversed_ties = attributes.clone()
    reversed_ties[:, 1] = ~reversed_ties[:, 1]
    assert correlation_error(reversed_ties, attributes)[0].item() == pytest.approx(1.6 / 5, abs=0.05)
    assert correlation_error(attributes[:1], attributes)[:2].tolist() == pytest.approx([1.8 / 5] * 2, abs=0.05)


def test_a_model_whose_prototypes_are_training_images_shows_the_attributes_of_these(world):
    """The tiny model's six prototypes are the embeddings of the first six training images."""
    evaluation = world.make_evaluation(variants=True)
    found = world.read_meters(evaluation, [ATTRIBUTES_CAPTURED, ATTRIBUTE_CORRELATION])
    attributes = evaluation.dataset.train.attributes
    assert found["attributes_captured"].values.tolist() == captured(attributes[:6]).tolist()
    expected = correlation_error(attributes[:6], attributes)
    torch.testing.assert_close(found["attribute_correlation"].values, expected)
    torch.testing.assert_close(found["attribute_correlation"].variants["scope=own"], expected)
    torch.testing.assert_close(found["attributes_captured"].chance, captured_by_chance(attributes, 6))


def test_the_chance_level_of_the_error_depends_on_the_seed_and_not_on_the_model(world):
    def chance(**options):
        evaluation = world.make_evaluation(**options)
        return world.read_meters(evaluation, [ATTRIBUTE_CORRELATION])["attribute_correlation"].chance

    assert torch.equal(chance(), chance(backbone=world.make_backbone(3)))
    assert not torch.equal(chance(), chance(seed=1))


def test_data_without_attributes_offers_none(world):
    for metric in (ATTRIBUTES_CAPTURED, ATTRIBUTE_CORRELATION):
        assert metric.missing(frozenset(Capability) - {Capability.ATTRIBUTES}) == {Capability.ATTRIBUTES}
    data = world.make_data()
    broken = dataclasses.replace(data, train=dataclasses.replace(data.train, attributes=None))
    with pytest.raises(ContractBroken, match="tiny offers attributes but its training split holds none"):
        ATTRIBUTES_CAPTURED.meter(world.make_evaluation(data=broken))
