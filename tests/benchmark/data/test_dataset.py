"""Splits, resizing, normalisation, and the hash that tells one data set from another."""

import dataclasses

import numpy as np
import pytest
import torch

from sembench.data.dataset import make_dataset
from sembench.data.normalisation import Normalisation, measure_normalisation, to_pixel_space
from sembench.errors import DataDamaged
from sembench.seeding import generator
from sembench.types import Capability


def uniform(name, *shape):
    return torch.rand(*shape, generator=generator(0, name))


# --- pixel space -----------------------------------------------------------------------------------------------------


def bilinear_by_hand(image, size):
    """Pixel by pixel: each new pixel's centre lies between four old ones; beyond the edge the edge goes on."""
    height, width = image.shape
    result = np.zeros((size, size))
    for y, x in np.ndindex(size, size):
        row = min(max((y + 0.5) * height / size - 0.5, 0), height - 1)
        column = min(max((x + 0.5) * width / size - 0.5, 0), width - 1)
        top, left = int(row), int(column)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = row - top, column - left
        upper = (1 - across) * image[top, left] + across * image[top, right]
        lower = (1 - across) * image[bottom, left] + across * image[bottom, right]
        result[y, x] = (1 - down) * upper + down * lower
    return result


@pytest.mark.parametrize("size", [6, 7, 9, 20])
def test_images_are_enlarged_bilinearly(size):
    pixels = uniform("pixels", 2, 3, 6, 6)
    found = to_pixel_space(pixels, size)
    for image, enlarged in zip(pixels, found, strict=True):
        for channel, values in zip(image.numpy(), enlarged.numpy(), strict=True):
            np.testing.assert_allclose(values, bilinear_by_hand(channel, size), rtol=1e-4, atol=1e-6)


def test_images_are_made_smaller_without_aliasing():
    stripes = torch.zeros(1, 1, 12, 12)
    stripes[..., ::2] = 1
    found = to_pixel_space(stripes, 4)
    torch.testing.assert_close(found[..., 1:3], torch.full((1, 3, 4, 2), 0.5), rtol=0, atol=0.15)  # not 0 and 1


def test_bytes_become_numbers_between_0_and_1():
    found = to_pixel_space(torch.tensor([[[[0, 51], [102, 255]]]], dtype=torch.uint8), 2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0, 0], torch.tensor([[0, 0.2], [0.4, 1.0]]))


def test_grey_images_become_three_equal_channels_and_colour_stays():
    grey, colour = uniform("grey", 2, 1, 5, 5), uniform("colour", 2, 3, 5, 5)
    for channel in to_pixel_space(grey, 5).unbind(1):
        assert torch.equal(channel, grey[:, 0])
    assert torch.equal(to_pixel_space(colour, 5), colour)


def test_images_that_are_not_square_become_square():
    assert to_pixel_space(uniform("wide", 2, 3, 4, 8), 8).shape == (2, 3, 8, 8)


# --- normalisation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 3, 4096])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_statistics_are_those_of_a_plain_computation(channels, chunk):
    pixels = (255 * uniform("pixels", 10, channels, 6, 6)).to(torch.uint8)
    found = measure_normalisation(pixels, 9, chunk)
    images = to_pixel_space(pixels, 9).numpy().astype(np.float64)
    np.testing.assert_allclose(found.mean, images.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(found.std, images.std((0, 2, 3)), rtol=1e-9)


def test_normalising_takes_the_mean_away_and_divides_by_the_deviation_channel_by_channel():
    normalisation = Normalisation((0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    found = normalisation(torch.full((1, 3, 2, 2), 0.6))
    torch.testing.assert_close(found[0, :, 0, 0], torch.tensor([1.0, 1.6, 0.15]))


# --- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_batches_cover_all_images_in_order(make, size):
    train = make().train
    batches = list(train.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(5))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), train.labels)
    whole = train.batch(torch.arange(5))
    torch.testing.assert_close(torch.cat([batch.images for batch in batches]), whole.images)


def test_a_batch_holds_the_images_that_were_asked_for(make, pixels, labels):
    train = make().train
    batch = train.batch(torch.tensor([3, 0, 3]))
    assert batch.indices.tolist() == [3, 0, 3]
    assert batch.labels.tolist() == [labels[3], labels[0], labels[3]]
    assert batch.images.shape == (3, 3, 9, 9)
    assert torch.equal(batch.images[0], batch.images[2])
    expected = train.normalisation(to_pixel_space(pixels[[3, 0, 3]], 9))
    assert torch.equal(batch.images, expected)
    assert torch.equal(train.load(torch.tensor([3, 0, 3])), to_pixel_space(pixels[[3, 0, 3]], 9))


def test_both_splits_have_the_normalisation_of_the_training_split(make, pixels):
    data = make()
    assert data.train.normalisation == data.test.normalisation == measure_normalisation(pixels[:5], 9)


def test_labels_become_64_bit_integers(make, pixels):
    data = make(train=(pixels[:5], torch.tensor([0, 1, 2, 0, 1], dtype=torch.uint8)))
    assert data.train.labels.dtype == torch.int64
    assert data.train.n_classes == data.n_classes == 3


def test_a_data_set_offers_nothing_beyond_images_and_labels_unless_it_says_so(make):
    assert make().supports == frozenset[Capability]()


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "title"), [("train", "training"), ("test", "test")])
@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_labels_than_of_images_is_damage(make, pixels, labels, split, title, count):
    with pytest.raises(DataDamaged, match=f"tiny: the {title} split has 5 images and {count} labels"):
        make(**{split: (pixels[:5], labels[:count])})


@pytest.mark.parametrize(("split", "title"), [("train", "training"), ("test", "test")])
def test_a_split_without_images_is_damage(make, pixels, labels, split, title):
    with pytest.raises(DataDamaged, match=f"the {title} split has 0 images"):
        make(**{split: (pixels[:0], labels[:0])})


@pytest.mark.parametrize(("wrong", "message"), [(3, "run from 0 to 3"), (-1, "run from -1 to 2"), (255, "0 to 255")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_out_of_range_is_damage(make, pixels, wrong, message, split):
    labels = torch.tensor([0, 1, 2, 0, wrong])
    with pytest.raises(DataDamaged, match=rf"{message}.*there are 3 classes"):
        make(**{split: (pixels[:5], labels)})


@pytest.mark.parametrize("value", [0, 1, 77, 128, 255])
@pytest.mark.parametrize("image_size", [6, 9, 11])
def test_images_of_one_constant_colour_are_damage(make, labels, value, image_size):
    constant = torch.full((5, 1, 6, 6), value, dtype=torch.uint8)
    with pytest.raises(DataDamaged, match="constant colour"):
        make(train=(constant, labels[:5]), image_size=image_size)


def test_one_constant_channel_is_damage(make, labels):
    colour = uniform("colour", 5, 3, 6, 6)
    colour[:, 1] = 0.3
    with pytest.raises(DataDamaged, match="constant colour in some channel"):
        make(train=(colour, labels[:5]))


def test_a_faint_image_is_no_damage(make, labels):
    faint = torch.full((5, 1, 6, 6), 128, dtype=torch.uint8)
    faint[2, 0, 3, 3] = 129
    assert min(make(train=(faint, labels[:5])).train.normalisation.std) > 0


# --- hash ------------------------------------------------------------------------------------------------------------


def test_the_same_content_has_the_same_hash(make):
    assert make().sha256 == make().sha256
    assert len(make().sha256) == 64


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_pixel_changes_the_hash(make, pixels, labels, split):
    part = slice(0, 5) if split == "train" else slice(5, 8)
    changed = pixels[part].clone()
    changed[1, 0, 2, 3] ^= 1
    assert make(**{split: (changed, labels[part])}).sha256 != make().sha256


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_label_changes_the_hash(make, pixels, labels, split):
    part = slice(0, 5) if split == "train" else slice(5, 8)
    changed = labels[part].clone()
    changed[1] = (changed[1] + 1) % 3
    assert make(**{split: (pixels[part], changed)}).sha256 != make().sha256


def test_the_image_size_changes_the_hash(make):
    assert make(image_size=10).sha256 != make(image_size=9).sha256


def test_the_split_changes_the_hash(make, pixels, labels):
    other = make(train=(pixels[:4], labels[:4]), test=(pixels[4:], labels[4:]))
    assert other.sha256 != make().sha256


def test_the_order_of_images_changes_the_hash(make, pixels, labels):
    assert make(train=(pixels[:5].flip(0), labels[:5].flip(0))).sha256 != make().sha256


def test_the_names_of_classes_change_the_hash(make, pixels, labels):
    options = {"train": (pixels[:5], labels[:5]), "test": (pixels[5:], labels[5:])}
    other = make_dataset("tiny", ("a", "b", "d"), **options, image_size=9, licence="none", source="the test")
    assert other.sha256 != make().sha256


def test_licence_and_source_do_not_change_the_hash(make):
    assert make(licence="MIT", source="elsewhere").sha256 == make().sha256


def test_the_hash_is_of_the_content_and_not_of_its_memory_order(make, pixels, labels):
    colour = uniform("colour", 5, 3, 6, 6)
    plain = make(train=(colour, labels[:5]))
    reordered = make(train=(colour.to(memory_format=torch.channels_last), labels[:5]))
    assert plain.sha256 == reordered.sha256


def test_a_smaller_copy_of_a_data_set_has_a_hash_of_its_own(make):
    data = make()
    fewer = dataclasses.replace(data.train, pixels=data.train.pixels[:3], labels=data.train.labels[:3])
    assert dataclasses.replace(data, train=fewer).sha256 != data.sha256
