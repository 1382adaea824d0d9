"""MNIST: what it says when it is not there, and that a real copy is the published one."""

import gzip
import re

import pytest
import torch

from sembench.data.sets.mnist import mnist
from sembench.errors import DataDamaged, DataMissing


def test_without_the_files_it_says_where_it_looked_and_the_two_ways_to_get_them(tmp_path):
    with pytest.raises(DataMissing) as caught:
        mnist(tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte") in message
    assert "put the published files there" in message
    assert "sembench run --dataset mnist --data-root DATA_ROOT --download" in message


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_of_another_content_are_damaged(tmp_path, suffix):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    path = folder / f"train-images-idx3-ubyte{suffix}"
    content = b"\x00\x00\x08\x03" + bytes(100)
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(
        DataDamaged, match=f"{re.escape(str(path))} is damaged: it holds 104 bytes, expected 47,040,016"
    ):
        mnist(tmp_path)


@pytest.fixture(scope="module")
def real(real_root):
    """A real copy, where the environment names a folder that holds one."""
    try:
        return mnist(real_root)
    except DataMissing as error:
        pytest.skip(str(error))


def test_a_real_copy_has_its_published_sizes(real):
    assert (len(real.train), len(real.test)) == (60_000, 10_000)
    assert real.train.pixels.shape == (60_000, 1, 28, 28)
    assert real.classes == tuple("0123456789")


def test_a_real_copy_has_its_published_numbers_of_images_a_class(real):
    """As counted by many since 1998."""
    assert torch.bincount(real.train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(real.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_a_real_copy_comes_as_normalised_colour_images_of_32_pixels(real):
    batch = real.test.batch(torch.tensor([0, 9999]))
    assert batch.images.shape == (2, 3, 32, 32)
    assert batch.labels.tolist() == [7, 6]
    assert real.train.normalisation.mean[0] == pytest.approx(0.1307, abs=2e-3)  # of the 28 pixel images


def test_a_real_copy_says_its_licence(real):
    assert real.licence == "CC BY-SA 3.0"
