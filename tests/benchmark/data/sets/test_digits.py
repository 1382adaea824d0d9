"""The bundled digits: sizes, split, statistics and content are fixed."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sembench.data.sets.digits import digits

SHA256 = "5d8d1f7bae8d946a1be0baf4444f519dcf87f3fe52aba675e9d55926c147c0fb"
SHA256_AT_32 = "eb791ac08adfa70125cb0038673b40ca5e3acb10d38650642da88483534284e7"


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def published():
    """Images and labels as scikit-learn has them."""
    bunch = load_digits()
    return bunch.images / 16, bunch.target


def test_there_are_1437_training_and_360_test_images_of_ten_classes(data):
    assert (len(data.train), len(data.test), data.n_classes) == (1437, 360, 10)
    assert data.classes == tuple("0123456789")
    assert data.name == "digits"
    assert data.licence
    assert data.source


def test_the_split_is_stratified(data, published):
    _, labels = published
    for label in range(10):
        share = (labels == label).sum() * 360 / 1797
        assert abs((data.test.labels == label).sum().item() - share) <= 1
        assert abs((data.train.labels == label).sum().item() - share * 1437 / 360) <= 1


def test_the_splits_hold_every_published_image_once(data, published):
    images, labels = published
    found = torch.cat([data.train.pixels, data.test.pixels])[:, 0].flatten(1).double().numpy()
    found = np.column_stack([found, torch.cat([data.train.labels, data.test.labels]).numpy()])
    expected = np.column_stack([images.reshape(1797, -1), labels])
    assert np.array_equal(np.unique(found, axis=0), np.unique(expected, axis=0))
    assert len(found) == len(expected)


def test_the_splits_have_no_image_in_common(data):
    train = {image.numpy().tobytes() for image in data.train.pixels}
    assert not train & {image.numpy().tobytes() for image in data.test.pixels}


def test_the_content_is_fixed(data):
    assert data.sha256 == SHA256
    assert digits().sha256 == SHA256
    assert digits(image_size=32).sha256 == SHA256_AT_32


def test_the_folder_of_the_user_does_not_matter(data, tmp_path):
    assert digits(tmp_path).sha256 == data.sha256


def test_the_normalisation_is_that_of_the_resized_training_images(data):
    parts = torch.arange(1437).split(200)
    images = np.concatenate([data.train.load(part).double().numpy() for part in parts])
    assert images.shape == (1437, 3, 40, 40)
    np.testing.assert_allclose(data.train.normalisation.mean, images.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(data.train.normalisation.std, images.std((0, 2, 3)), rtol=1e-9)
    assert data.test.normalisation == data.train.normalisation


def test_training_images_have_zero_mean_and_unit_variance(data):
    images = torch.cat([batch.images for batch in data.train.batches(500)]).double()
    torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-5)
    torch.testing.assert_close(images.std((0, 2, 3)), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-5)


def test_without_resizing_the_statistics_are_those_of_the_published_pixels(published):
    native = digits(image_size=8)
    stored = native.train.pixels.double().numpy()
    np.testing.assert_allclose(native.train.normalisation.mean, [stored.mean()] * 3, rtol=1e-9)
    np.testing.assert_allclose(native.train.normalisation.std, [stored.std()] * 3, rtol=1e-9)
    assert torch.equal(native.train.load(torch.arange(5)), native.train.pixels[:5].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("size", [8, 33, 40, 64])
def test_images_come_in_three_equal_channels_of_the_size_asked_for(size):
    data = digits(image_size=size)
    images = data.test.load(torch.arange(3))
    assert images.shape == (3, 3, size, size)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    assert images.min() >= 0
    assert images.max() <= 1 + 1e-6  # interpolation rounds
