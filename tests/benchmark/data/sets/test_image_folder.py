"""A folder of images: sorted by class, split as it stands or by a seed."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.data.augmentation import Augmentation
from sembench.data.declaration import licence_of
from sembench.data.sets.image_folder import image_folder
from sembench.errors import DataDamaged, DataMissing, SuiteInvalid


def fill(folder, counts):
    """So many random images of each class."""
    source = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            values = source.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(values).save(folder / name / f"{number:02}.png")


def read(root, **options):
    return image_folder(root, path="birds", image_size=8, **options)


def names(split):
    return [f"{path.parent.name}/{path.name}" for path in split.pixels.paths]


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"gull": 1, "wren": 2})
    data = read(tmp_path)
    assert data.classes == ("gull", "wren")
    assert names(data.train) == ["gull/00.png", "gull/01.png", "wren/00.png", "wren/01.png", "wren/02.png"]
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 1, 1]
    assert data.test.load(torch.arange(3)).shape == (3, 3, 8, 8)


def test_one_folder_is_split_by_class_and_by_seed(tmp_path):
    fill(tmp_path / "birds", {"wren": 10, "gull": 20, "tit": 5})
    data = read(tmp_path)
    assert data.classes == ("gull", "tit", "wren")
    assert torch.bincount(data.train.labels).tolist() == [16, 4, 8]
    assert torch.bincount(data.test.labels).tolist() == [4, 1, 2]
    assert sorted(names(data.train) + names(data.test)) == sorted(
        f"{name}/{number:02}.png" for name, count in (("wren", 10), ("gull", 20), ("tit", 5)) for number in range(count)
    )
    assert read(tmp_path).sha256 == data.sha256
    assert read(tmp_path, split_seed=1).sha256 != data.sha256
    assert torch.bincount(read(tmp_path, test_share=0.4).test.labels).tolist() == [8, 2, 4]


def test_the_split_of_a_class_does_not_depend_on_the_others(tmp_path):
    fill(tmp_path / "birds", {"wren": 10, "gull": 20})
    before = [name for name in names(read(tmp_path).test) if name.startswith("wren")]
    fill(tmp_path / "birds", {"auk": 7})
    assert [name for name in names(read(tmp_path).test) if name.startswith("wren")] == before


def test_what_is_no_image_is_left_alone(tmp_path):
    fill(tmp_path / "birds", {"wren": 5, "gull": 5})
    for name in ("wren/notes.txt", "wren/.hidden.png", "README.md"):
        (tmp_path / "birds" / name).write_bytes(b"x")
    (tmp_path / "birds" / ".cache").mkdir()
    assert len(read(tmp_path).train) == 8


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "not there. It should hold <folder>/<class>/<image>"),
        ({"wren": 5}, "1 folders of classes, at least 2 are needed"),
        ({"wren": 5, "gull": 0}, "no images in gull"),
    ],
)
def test_a_folder_that_is_not_sorted_by_class_says_what_it_should_hold(tmp_path, counts, message):
    fill(tmp_path / "birds", counts)
    with pytest.raises(DataMissing, match=f"{re.escape(str(tmp_path / 'birds'))}.*{message}"):
        read(tmp_path)


def test_a_class_in_one_of_train_and_test_only_is_refused(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"gull": 1, "auk": 2})
    with pytest.raises(DataMissing, match="auk, wren stands in only one of train and test"):
        read(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.95, 1.0])
def test_a_share_that_leaves_a_class_empty_is_refused(tmp_path, share):
    fill(tmp_path / "birds", {"wren": 4, "gull": 40})
    with pytest.raises(SuiteInvalid, match=r"of the (4|40) images of"):
        read(tmp_path, test_share=share)


def test_a_damaged_image_is_named(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"wren": 3, "gull": 2})
    path = tmp_path / "birds" / "train" / "wren" / "01.png"
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(DataDamaged, match=re.escape(str(path))):
        read(tmp_path)


def test_licence_and_augmentation_are_what_the_user_states(tmp_path):
    fill(tmp_path / "birds", {"wren": 5, "gull": 5})
    plain, stated = read(tmp_path), read(tmp_path, licence="CC0 1.0", open_licence=True, augment=True)
    assert (plain.licence, plain.open_licence, plain.train.augmentation) == ("not stated", False, None)
    assert (stated.licence, stated.open_licence, stated.train.augmentation) == ("CC0 1.0", True, Augmentation())
    assert not licence_of(image_folder, {"path": "birds"}).open
    assert licence_of(image_folder, {"licence": "CC0 1.0", "open_licence": True}).open
