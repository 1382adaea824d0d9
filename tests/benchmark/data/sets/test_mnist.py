"""MNIST and Fashion-MNIST: tiny files in the published layout, messages where files are not there, real copies."""

import gzip
import hashlib
import re
import struct

import numpy as np
import pytest
import torch

from sembench.data.files import PublishedFiles
from sembench.data.sets.mnist import CLOTHING, fashion_mnist, mnist, read_idx_splits
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


@pytest.fixture
def tiny(tmp_path):
    """Six training and four test images of 5x5 bytes, two files plain and two gzipped, and their hashes."""
    source, hashes = np.random.default_rng(0), {}
    for stem, size in (("train", 6), ("t10k", 4)):
        for kind, shape in (("images-idx3", (size, 5, 5)), ("labels-idx1", (size,))):
            values = source.integers(0, 10, shape, dtype=np.uint8)
            content = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + values.tobytes()
            name = f"{stem}-{kind}-ubyte"
            hashes[name] = hashlib.sha256(content).hexdigest()
            packed = kind == "images-idx3"
            path = tmp_path / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
    return PublishedFiles(tmp_path, "fashion-mnist", "https://example.org"), hashes


def read(tiny):
    files, hashes = tiny
    return list(read_idx_splits(files, hashes, train=6, test=4, side=5))


def test_both_splits_are_read(tiny):
    (train, train_labels), (test, test_labels) = read(tiny)
    assert (train.shape, test.shape) == ((6, 1, 5, 5), (4, 1, 5, 5))
    assert (train_labels.shape, test_labels.shape) == ((6,), (4,))
    source = np.random.default_rng(0)
    assert train[:, 0].tolist() == source.integers(0, 10, (6, 5, 5), dtype=np.uint8).tolist()


def test_a_missing_file_of_fashion_mnist_names_the_folder_and_the_command(tmp_path):
    with pytest.raises(DataMissing, match=re.escape(str(tmp_path / "FashionMNIST" / "raw" / "train-images"))) as caught:
        fashion_mnist(tmp_path)
    assert "sembench run --dataset fashion-mnist --data-root DATA_ROOT --download" in str(caught.value)


def test_a_truncated_and_a_changed_file_are_damaged(tiny):
    files, _ = tiny
    path = files.folder / "t10k-labels-idx1-ubyte"
    good = path.read_bytes()
    for content, reason in ((good[:-1], "11 bytes, expected 12"), (good[:-1] + b"\xff", "SHA-256")):
        path.write_bytes(content)
        with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: .*{reason}"):
            read(tiny)


def test_a_real_copy_of_fashion_mnist_is_the_published_one(real_root):
    data = fashion_mnist(real_root)
    assert data.classes == CLOTHING
    assert data.train.pixels.shape == (60_000, 1, 28, 28)
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    assert (data.licence, data.open_licence) == ("MIT", True)
    assert data.train.batch(torch.tensor([0])).images.shape == (1, 3, 32, 32)
