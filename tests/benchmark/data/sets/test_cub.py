"""CUB-200-2011: lists that have to fit together, images that have to be there, whole or cropped."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.data.sets.cub import cub
from sembench.errors import DataDamaged, DataMissing, SuiteInvalid

CLASSES = ("003.Sooty_Albatross", "017.Cardinal", "109.American_Redstart")


@pytest.fixture
def root(tmp_path):
    """Three classes of four birds: a bright square in a dark image; every other image is for training."""
    folder, source = tmp_path / "CUB_200_2011", np.random.default_rng(0)
    lists = {name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")}
    number = 40  # official ids, as in a part of the lists
    for name in CLASSES:
        (folder / "images" / name).mkdir(parents=True)
        for bird in range(4):
            number += 1
            values = source.integers(0, 40, (30, 40, 3), dtype=np.uint8)
            values[5:15, 20:30] += 200
            relative = f"{name}/bird_{bird}.png"
            Image.fromarray(values).save(folder / "images" / relative)
            lists["images"].append(f"{number} {relative}")
            lists["image_class_labels"].append(f"{number} {int(name[:3])}")
            lists["train_test_split"].append(f"{number} {bird % 2}")
            lists["bounding_boxes"].append(f"{number} 20.0 5.0 10.0 10.0")
    lists["classes"] = [f"{int(name[:3])} {name}" for name in CLASSES]
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def change(root, name, old, new):
    path = root / "CUB_200_2011" / f"{name}.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return path


def test_the_lists_give_classes_labels_and_split(root):
    data = cub(root, image_size=16)
    assert data.classes == CLASSES
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.test.load(torch.arange(6)).shape == (6, 3, 16, 16)
    path = root / "CUB_200_2011" / "images" / CLASSES[1] / "bird_2.png"
    shown = np.asarray(Image.open(path).resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(data.test.pixels[torch.tensor([3])][0].permute(1, 2, 0).numpy(), shown)
    assert (data.licence, data.open_licence) == ("research and education only", False)


def test_a_box_shows_the_bird_alone(root):
    whole, cropped = cub(root, image_size=10), cub(root, image_size=10, crop="box")
    assert cropped.train.load(torch.arange(6)).min() > 0.7
    assert whole.train.load(torch.arange(6)).min() < 0.3
    assert cropped.sha256 != whole.sha256


def test_classes_can_be_chosen(root):
    data = cub(root, image_size=8, classes=[CLASSES[2], CLASSES[0]])
    assert data.classes == (CLASSES[2], CLASSES[0])
    assert data.train.labels.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["001.Dodo"]}, "001.Dodo.*not in classes.txt; give different names such as '003.Sooty_Albatross'"),
        ({"classes": []}, "are none"),
        ({"classes": [CLASSES[0]] * 2}, "some twice"),
        ({"crop": "boxes"}, "crop is 'boxes'; it can be 'whole' or 'box'"),
    ],
)
def test_unknown_options_are_refused(root, options, message):
    with pytest.raises(SuiteInvalid, match=message):
        cub(root, **options)


@pytest.mark.parametrize("name", ["classes", "images", "image_class_labels", "train_test_split", "bounding_boxes"])
def test_a_missing_list_says_where_it_was_looked_for(root, name):
    path = root / "CUB_200_2011" / f"{name}.txt"
    path.unlink()
    with pytest.raises(DataMissing, match=f"{re.escape(str(path))}: not there"):
        cub(root, crop="box")


def test_a_missing_image_is_no_smaller_data_set(root):
    path = root / "CUB_200_2011" / "images" / CLASSES[1] / "bird_3.png"
    path.unlink()
    with pytest.raises(DataMissing, match=re.escape(str(path))):
        cub(root)
    assert cub(root, image_size=8, classes=[CLASSES[0], CLASSES[2]]).n_classes == 2


@pytest.mark.parametrize("name", ["image_class_labels", "train_test_split", "bounding_boxes"])
def test_a_truncated_list_is_damaged(root, name):
    path = root / "CUB_200_2011" / f"{name}.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(DataDamaged, match=r"it lists 11 ids, expected the 12 of images.txt"):
        cub(root, crop="box")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("images", "41 ", "x ", "line 1 is 'x 003.Sooty.*invalid literal"),
        ("images", "42 ", "41 ", "line 2: 41 stands there twice"),
        ("train_test_split", "41 0", "41 2", "training and"),
        ("image_class_labels", "41 3", "41 4", r"classes \[4\]"),
        ("bounding_boxes", "5.0 10.0", "5.0", "line 1"),
        ("classes", "3 003", "4 003", r"classes \[3, 4\]"),
    ],
)
def test_a_changed_list_is_damaged(root, name, old, new, message):
    path = change(root, name, old, new)
    wrong = path if name != "classes" else path.with_name("image_class_labels.txt")
    with pytest.raises(DataDamaged, match=f"{re.escape(str(wrong))} is damaged: .*{message}"):
        cub(root, crop="box")


def test_a_truncated_image_is_damaged(root):
    path = root / "CUB_200_2011" / "images" / CLASSES[1] / "bird_3.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged"):
        cub(root)


def test_a_real_copy_has_its_official_split(real_root):
    data = cub(real_root)
    assert data.train.pixels.shape[1:] == (3, 224, 224)
    assert data.classes == tuple(sorted(data.classes))
    if data.n_classes == 20:
        assert torch.bincount(data.train.labels).tolist() == [30] * 20
        assert len(data.test) == 596
    assert data.test.load(torch.arange(2)).shape == (2, 3, 224, 224)
