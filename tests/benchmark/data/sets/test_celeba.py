"""CelebA: lists with checksums, faces decoded on demand, forty attributes of each."""

import hashlib
import re

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.data.augmentation import Augmentation
from sembench.data.sets.celeba import ATTRIBUTES, PARTITION, Published, celeba, read_celeba
from sembench.errors import DataDamaged, DataMissing
from sembench.types import Capability

NAMES = [f"Trait_{number}" for number in range(20)] + ["Male"] + [f"Trait_{number}" for number in range(21, 40)]
PARTS = [0, 0, 0, 1, 2, 0, 2, 1, 0]
SIZES = (5, 2, 2)


@pytest.fixture
def traits():
    """Which of nine faces has which of forty attributes."""
    found = np.random.default_rng(1).random((9, 40)) < 0.5
    found[:, 20] = [True, False, False, True, True, False, False, True, True]
    return found


@pytest.fixture
def root(tmp_path, traits):
    """Nine faces of 10x12 pixels."""
    folder, source = tmp_path / "celeba", np.random.default_rng(0)
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06}.jpg" for number in range(1, 10)]
    for name in names:
        face = Image.fromarray(source.integers(0, 256, (12, 10, 3), dtype=np.uint8))
        face.save(folder / "img_align_celeba" / name)
    lines = [f"{n}  " + " ".join(" 1" if t else "-1" for t in row) for n, row in zip(names, traits, strict=True)]
    (folder / ATTRIBUTES).write_text("\n".join(["9", " ".join(NAMES) + " ", *lines]) + "\n")
    (folder / PARTITION).write_text("".join(f"{n} {p}\n" for n, p in zip(names, PARTS, strict=True)))
    return tmp_path


def published(root, sizes=SIZES):
    """The checksums of the files as they are."""
    return Published(
        {n: hashlib.md5((root / "celeba" / n).read_bytes()).hexdigest() for n in (ATTRIBUTES, PARTITION)}, sizes
    )


def test_the_lists_give_split_labels_and_attributes(root, traits):
    data = read_celeba(root, 16, published(root))
    assert data.classes == ("female", "male")
    assert data.train.labels.tolist() == [1, 0, 0, 0, 1]
    assert data.test.labels.tolist() == [1, 0]
    assert data.attribute_names == tuple(NAMES)
    assert np.array_equal(data.train.attributes.numpy(), traits[[0, 1, 2, 5, 8]])
    assert np.array_equal(data.test.attributes.numpy(), traits[[4, 6]])
    assert data.supports == {Capability.ATTRIBUTES}
    assert data.test.load(torch.arange(2)).shape == (2, 3, 16, 16)
    assert [path.name for path in data.test.pixels.paths] == ["000005.jpg", "000007.jpg"]
    assert (data.train.augmentation, data.test.augmentation) == (Augmentation(), None)
    assert not data.open_licence


def test_attributes_are_part_of_the_hash(root):
    before = read_celeba(root, 16, published(root)).sha256
    path = root / "celeba" / ATTRIBUTES
    head, names, first, *rest = path.read_text().splitlines()
    name, trait, *others = first.split()
    first = " ".join([name, {"1": "-1", "-1": "1"}[trait], *others])
    path.write_text("\n".join([head, names, first, *rest]))
    assert read_celeba(root, 16, published(root)).sha256 != before


@pytest.mark.parametrize("name", [ATTRIBUTES, PARTITION])
def test_a_missing_truncated_or_changed_list_is_named(root, name):
    good, path = published(root), root / "celeba" / name
    content = path.read_bytes()
    for bad in (content[:-5], content.replace(b"000003", b"000004"), b""):
        path.write_bytes(bad)
        with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: the MD5"):
            read_celeba(root, 16, good)
    path.unlink()
    with pytest.raises(DataMissing, match=f"{re.escape(str(path))}: not there.*--dataset celeba"):
        read_celeba(root, 16, good)


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (ATTRIBUTES, "Trait_3 ", "", "it lists 39 attributes of 9 images"),
        (ATTRIBUTES, "Male", "Female", "knows no 'Male'"),
        (ATTRIBUTES, "-1", "0", "values other than 1 and -1"),
        (PARTITION, "000004.jpg 1", "000004.jpg 3", "it does not put the images"),
        (PARTITION, "000004.jpg", "000044.jpg", "it does not put the images"),
        (PARTITION, "000004.jpg 1", "000004.jpg 0", r"its parts hold \(6, 1, 2\) images, expected \(5, 2, 2\)"),
    ],
)
def test_lists_that_do_not_fit_are_damaged_whatever_their_checksum(root, name, old, new, reason):
    path = root / "celeba" / name
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataDamaged, match=reason):
        read_celeba(root, 16, published(root))


def test_a_missing_and_a_truncated_image_are_named(root):
    path = root / "celeba" / "img_align_celeba" / "000002.jpg"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataDamaged, match=re.escape(str(path))):
        read_celeba(root, 16, published(root))
    path.unlink()
    with pytest.raises(DataMissing, match=re.escape(str(path))):
        read_celeba(root, 16, published(root))


def test_without_the_files_it_says_where_it_looked(tmp_path):
    with pytest.raises(DataMissing, match=re.escape(str(tmp_path / "celeba" / ATTRIBUTES))):
        celeba(tmp_path)


def test_a_real_copy_is_the_published_one(real_root):
    data = celeba(real_root)
    assert (len(data.train), len(data.test)) == (162_770, 19_962)
    assert len(data.attribute_names) == 40
