"""Augmentation: what a person would do with scissors, image by image; in training and nowhere else."""

import dataclasses

import pytest
import torch

from sembench.data.augmentation import Augmentation
from sembench.seeding import generator
from sembench.training.stages import Step


def uniform(*shape):
    return torch.rand(*shape, generator=generator(0, "images"))


def by_hand(image, draws, flip, pad):
    """One image: padded, cut out, then flipped."""
    channels, height, width = image.shape
    wide = torch.zeros(channels, height + 2 * pad, width + 2 * pad)
    wide[:, pad : pad + height, pad : pad + width] = image
    down, across = (int(draw * (2 * pad + 1)) for draw in draws[:2])
    cut = wide[:, down : down + height, across : across + width]
    return torch.flip(cut, [2]) if draws[2] < flip else cut


@pytest.mark.parametrize(("flip", "pad"), [(0.5, 2), (0.0, 1), (1.0, 0), (0.3, 4)])
def test_each_image_is_varied_as_by_hand(flip, pad):
    images = uniform(40, 3, 6, 5)
    found = Augmentation(flip, pad)(images, generator(7, "draws"))
    draws = torch.rand(40, 3, generator=generator(7, "draws"))
    for image, varied, draw in zip(images, found, draws, strict=True):
        assert torch.equal(varied, by_hand(image, draw.tolist(), flip, pad))


def test_flips_and_places_come_as_often_as_they_should():
    image = torch.arange(1.0, 10).view(1, 1, 3, 3)
    found = Augmentation()(image.expand(5000, -1, -1, -1), generator(0, "draws"))
    kinds, counts = found.flatten(1).unique(dim=0, return_counts=True)
    assert len(kinds) > 40  # 25 places, two ways round; far corners look alike
    whole = [int(c) for k, c in zip(kinds, counts, strict=True) if sorted(k.tolist()) == list(range(1, 10))]
    assert len(whole) == 2
    assert sum(whole) == pytest.approx(5000 / 25, rel=0.25)


def test_what_is_given_stays_as_it_is():
    images = uniform(4, 3, 6, 6)
    before = images.clone()
    Augmentation()(images, generator(0, "draws"))
    assert torch.equal(images, before)


def test_only_steps_of_training_are_varied(make):
    data = make(augmentation=Augmentation())
    assert data.test.augmentation is None
    indices = torch.arange(5)
    plain = make().train.batch(indices).images
    assert torch.equal(data.train.batch(indices).images, plain)
    assert torch.equal(next(data.train.batches(5)).images, plain)
    step = Step(data.train, indices, 0, generator(0, "draws"), torch.device("cpu"))
    pixels = Augmentation()(data.train.load(indices), generator(0, "draws"))
    assert torch.equal(step.batch.images, data.train.normalisation(pixels))
    assert not torch.equal(step.batch.images, plain)
    assert torch.equal(step.batch.labels, data.train.labels[indices])
    assert torch.equal(step.batch.indices, indices)


def test_zeros_are_padded_before_the_normalisation(make):
    data = make(augmentation=Augmentation(flip=0, pad=9))
    images = data.train.training_batch(torch.arange(5), generator(1, "draws")).images
    black = data.train.normalisation(torch.zeros(1, 3, 1, 1))
    assert torch.isclose(images, black).float().mean() > 0.3


def test_without_augmentation_nothing_is_drawn(make):
    source = generator(0, "draws")
    before = source.get_state()
    Step(make().train, torch.arange(3), 0, source, torch.device("cpu")).batch  # noqa: B018
    assert torch.equal(source.get_state(), before)


def test_a_smaller_copy_of_a_split_is_varied_too(make):
    train = make(augmentation=Augmentation()).train
    assert dataclasses.replace(train, pixels=train.pixels[:2], labels=train.labels[:2]).augmentation == Augmentation()


def test_it_says_in_words_what_it_does():
    assert str(Augmentation()) == "flip 0.5, zero-pad 2 and random crop"
