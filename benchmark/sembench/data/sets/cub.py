"""CUB-200-2011: 11,788 photographs of 200 species of birds, the official split, whole or cropped to the bird."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import RESEARCH_ONLY, declares
from sembench.data.download import archive
from sembench.data.files import PublishedFiles
from sembench.data.image_files import Box, ImageFiles
from sembench.errors import SuiteInvalid

T = TypeVar("T")

ARCHIVE = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
MD5 = "97eceeb196236b17998738112f37df78"

CROPS = ("whole", "box")

_PUBLISHED = {200: (5_994, 5_794)}  # training and test images, by number of classes in the lists


@declares(RESEARCH_ONLY, fetch=archive(ARCHIVE, MD5, holds="CUB_200_2011/images.txt"))
def cub(
    data_root: Path,
    *,
    image_size: int = 224,
    crop: Literal["whole", "box"] = "whole",
    classes: Sequence[str] | None = None,
) -> Dataset:
    """CUB-200-2011 from the official layout: ``<data_root>/CUB_200_2011/``, four lists and ``images/``.

    The classes are those that ``classes.txt`` names, 200 or fewer; a class without its images is an error, not a
    smaller data set. The aspect ratio of images is not kept.

    Args:
        data_root: The folder of data sets.
        image_size: Pixels per side after resizing.
        crop: Whether images are shown ``"whole"`` or cropped to the bird's bounding ``"box"``.
        classes: Names of classes as published, e.g. ``"109.American_Redstart"``, instead of all in the lists.

    Raises:
        SuiteInvalid: If a class or crop is not known.

    References:
        C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie: The Caltech-UCSD Birds-200-2011 dataset, 2011.
    """
    if crop not in CROPS:
        raise SuiteInvalid(f"cub: crop is {crop!r}; it can be {' or '.join(map(repr, CROPS))}.")
    address = "https://www.vision.caltech.edu/datasets/cub_200_2011/"
    files = PublishedFiles(data_root / "CUB_200_2011", "cub", address)
    names = read_list(files, "classes.txt", str)
    chosen = _chosen(names, classes)
    images = read_list(files, "images.txt", str)
    class_of = read_list(files, "image_class_labels.txt", int, images)
    in_training = read_list(files, "train_test_split.txt", int, images)
    boxes = read_list(files, "bounding_boxes.txt", _box, images) if crop == "box" else None
    _check(files, names, class_of, in_training)

    def split(training: int) -> tuple[ImageFiles, Tensor]:
        ids = [i for i in images if in_training[i] == training and class_of[i] in chosen]
        paths = [files.folder / "images" / images[i] for i in ids]
        files.require_images(paths)
        shown = None if boxes is None else [boxes[i] for i in ids]
        return ImageFiles(paths, image_size, shown), torch.tensor([chosen.index(class_of[i]) for i in ids])

    return make_dataset("cub", tuple(names[number] for number in chosen), train=split(1), test=split(0),
                        image_size=image_size, licence=RESEARCH_ONLY,
                        source="Caltech-UCSD Birds-200-2011, Wah et al. 2011")  # fmt: skip


def read_list(
    files: PublishedFiles, name: str, read: Callable[[str], T], ids: dict[int, str] | None = None
) -> dict[int, T]:
    """One of the lists, lines of an id and a text that ``read`` makes a value of; its ``ids``, where they are known.

    Raises:
        DataDamaged: If a line cannot be read, an id appears twice, or the ids are not those of ``images.txt``.
    """
    path = files.find(name)
    found: dict[int, T] = {}
    for number, line in enumerate(files.content(path).decode("utf-8", "replace").splitlines(), 1):
        key, _, value = line.strip().partition(" ")
        try:
            new = int(key), read(value)
        except ValueError as error:
            raise files.damaged(path, f"line {number} is {line!r}: {error}") from error
        if new[0] in found:
            raise files.damaged(path, f"line {number}: {new[0]} stands there twice")
        found[new[0]] = new[1]
    if not found or (ids is not None and found.keys() != ids.keys()):
        expected = "at least one" if ids is None else f"the {len(ids):,} of images.txt"
        raise files.damaged(path, f"it lists {len(found):,} ids, expected {expected}")
    return found


def _box(text: str) -> Box:
    """The edges of a box given as ``x y width height``."""
    x, y, width, height = map(float, text.split())
    return round(x), round(y), round(x + width), round(y + height)


def _chosen(names: dict[int, str], classes: Sequence[str] | None) -> list[int]:
    """The ids of the classes asked for, in the order of labels."""
    if classes is None:
        return sorted(names)
    ids = {name: number for number, name in names.items()}
    unknown = [name for name in classes if name not in ids]
    if unknown or len(set(classes)) != len(classes) or not classes:
        wrong = f"{unknown} are not in classes.txt" if unknown else f"{list(classes)} are none, or some twice"
        raise SuiteInvalid(f"cub: {wrong}; give different names such as {names[min(names)]!r}.")
    return [ids[name] for name in classes]


def _check(files: PublishedFiles, names: dict[int, str], class_of: dict[int, int], in_training: dict[int, int]) -> None:
    """Raises `DataDamaged` unless classes, labels and split fit together and have their published sizes."""
    strange = set(class_of.values()) ^ set(names)
    if strange:
        wrong = f"classes {sorted(strange)[:5]} stand in one of it and classes.txt only"
        raise files.damaged(files.folder / "image_class_labels.txt", wrong)
    counts = sum(in_training.values()), len(in_training) - sum(in_training.values())
    if not set(in_training.values()) <= {0, 1} or counts != _PUBLISHED.get(len(names), counts):
        wrong = f"it makes {counts[0]:,} training and {counts[1]:,} test images of {len(names)} classes"
        raise files.damaged(files.folder / "train_test_split.txt", wrong)
