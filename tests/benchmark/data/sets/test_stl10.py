"""STL-10: bytes that run down the columns, labels from 1."""

import hashlib
import re

import numpy as np
import pytest

from sembench.data.files import PublishedFiles
from sembench.data.sets.stl10 import CLASSES, read_binary, stl10
from sembench.errors import DataDamaged, DataMissing

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6), dtype=np.uint8)
LABELS = np.array([10, 1, 3, 1], dtype=np.uint8)


@pytest.fixture
def tiny(tmp_path):
    """Four images of 6x6 pixels, and the files' hashes."""
    contents = {"train_X.bin": PIXELS.transpose(0, 1, 3, 2).tobytes(), "train_y.bin": LABELS.tobytes()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    hashes = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    return PublishedFiles(tmp_path, "stl10", "https://example.org"), hashes


def test_images_and_labels_are_read(tiny):
    pixels, labels = read_binary(*[tiny[0], "train", tiny[1], 4], side=6)
    assert np.array_equal(pixels.numpy(), PIXELS)
    assert labels.tolist() == [9, 0, 2, 0]


@pytest.mark.parametrize("name", ["train_X.bin", "train_y.bin"])
def test_a_missing_truncated_or_changed_file_is_named(tiny, name):
    files, hashes = tiny
    path = files.folder / name
    good = path.read_bytes()
    for content in (good[:-1], good[:-1] + bytes([good[-1] ^ 1]), b""):
        path.write_bytes(content)
        with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: the MD5"):
            read_binary(files, "train", hashes, 4, side=6)
    path.unlink()
    with pytest.raises(DataMissing, match=f"{re.escape(str(path))}: not there.*https://example.org.*--download"):
        read_binary(files, "train", hashes, 4, side=6)


def test_another_number_of_images_is_damage_whatever_the_checksum(tiny):
    with pytest.raises(DataDamaged, match="it holds 432 bytes, expected 540"):
        read_binary(*tiny[:1], "train", tiny[1], 5, side=6)


def test_without_the_files_it_says_where_it_looked(tmp_path):
    with pytest.raises(DataMissing, match=re.escape(str(tmp_path / "stl10_binary" / "train_X.bin"))):
        stl10(tmp_path)


def test_a_real_copy_is_the_published_one(real_root):
    data = stl10(real_root)
    assert (len(data.train), len(data.test), data.classes) == (5_000, 8_000, CLASSES)
    names = (real_root / "stl10_binary" / "class_names.txt").read_text().split()
    assert tuple(names) == CLASSES
