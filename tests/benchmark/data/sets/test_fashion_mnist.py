"""Fashion-MNIST and its kin: tiny files in the published layout, and the real copy where there is one."""

import gzip
import hashlib
import re
import struct

import numpy as np
import pytest
import torch

from sembench.data.files import PublishedFiles
from sembench.data.idx import read_idx_splits
from sembench.data.sets.fashion_mnist import CLASSES, fashion_mnist
from sembench.errors import DataDamaged, DataMissing


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


def test_a_missing_file_names_the_folder_and_the_command(tmp_path):
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


def test_a_real_copy_is_the_published_one(real_root):
    data = fashion_mnist(real_root)
    assert data.classes == CLASSES
    assert data.train.pixels.shape == (60_000, 1, 28, 28)
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    assert (data.licence, data.open_licence) == ("MIT", True)
    assert data.train.batch(torch.tensor([0])).images.shape == (1, 3, 32, 32)
