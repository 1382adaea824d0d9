"""CelebA: 162,770 training and 19,962 test photographs of faces, female or male, with 40 attributes each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sembench.data.augmentation import Augmentation
from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import NON_COMMERCIAL, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles
from sembench.data.image_files import ImageFiles
from sembench.types import Capability

CLASSES = ("female", "male")

ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"


@dataclass(frozen=True)
class Published:
    """Published facts about the lists.

    Attributes:
        md5: Checksum by file name.
        sizes: Number of images in the partitions 0 (training), 1 (validation) and 2 (test).
        attributes: Number of attributes.
    """

    md5: dict[str, str]
    sizes: tuple[int, int, int]
    attributes: int = 40


# Checksums as published by torchvision.
PUBLISHED = Published(
    {ATTRIBUTES: "75e246fa4810816ffd6ee81facbd244c", PARTITION: "d32c9cbf5e040fd4025c592c306e6668"},
    (162_770, 19_867, 19_962),
)


@declares(NON_COMMERCIAL, fetch=by_torchvision("CelebA"))
def celeba(data_root: Path, *, image_size: int = 224) -> Dataset:
    """CelebA from the layout of torchvision: in ``<data_root>/celeba/`` two lists and a folder ``img_align_celeba``.

    The official partition; its validation part is not used. Images are decoded on demand and resized from 178x218, the
    aspect ratio not kept.

    References:
        Z. Liu, P. Luo, X. Wang, X. Tang: Deep learning face attributes in the wild, 2015.
    """
    return read_celeba(data_root, image_size, PUBLISHED)


def read_celeba(data_root: Path, image_size: int, published: Published) -> Dataset:
    """`celeba` with the lists' checksums and sizes given."""
    address = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    files = PublishedFiles(data_root / "celeba", "celeba", address)
    names, images, attributes = read_attributes(files, published)
    partition = read_partition(files, images, published)
    gender = attributes[:, names.index("Male")].long()
    paths = [files.folder / "img_align_celeba" / image for image in images]
    chosen = {part: (partition == part).nonzero()[:, 0] for part in (0, 2)}
    used = {part: [paths[position] for position in positions.tolist()] for part, positions in chosen.items()}
    files.require_images([*used[0], *used[2]])
    train, test = ((ImageFiles(used[part], image_size), gender[chosen[part]]) for part in (0, 2))
    made = make_dataset("celeba", CLASSES, train=train, test=test, image_size=image_size, licence=NON_COMMERCIAL,
                        source="CelebA, Liu et al. 2015", augmentation=Augmentation())  # fmt: skip
    return replace(
        made,
        train=replace(made.train, attributes=attributes[chosen[0]]),
        test=replace(made.test, attributes=attributes[chosen[2]]),
        attribute_names=names,
        supports=frozenset({Capability.ATTRIBUTES}),
    )


def read_attributes(files: PublishedFiles, published: Published) -> tuple[tuple[str, ...], list[str], Tensor]:
    """Names of attributes, names of images, and which image has which: ``(N, 40)``, bool.

    The list holds the number of images, the names, and a line for each image with 1 or -1 for each attribute.
    """
    lines = _rows(files, ATTRIBUTES, published)
    names, rows = tuple(lines[1]) if len(lines) > 1 else (), lines[2:]
    wanted = {published.attributes + 1}
    if len(names) != published.attributes or len(rows) != sum(published.sizes) or {len(row) for row in rows} != wanted:
        reason = f"it lists {len(names)} attributes of {len(rows):,} images, expected {published.attributes} of each "
        raise files.damaged(files.folder / ATTRIBUTES, reason + f"of {sum(published.sizes):,}")
    values = np.array([row[1:] for row in rows])
    if not np.isin(values, ("1", "-1")).all() or "Male" not in names:
        raise files.damaged(files.folder / ATTRIBUTES, "it holds values other than 1 and -1, or knows no 'Male'")
    return names, [row[0] for row in rows], torch.from_numpy(values == "1")


def read_partition(files: PublishedFiles, images: list[str], published: Published) -> Tensor:
    """The part that each image belongs to, ``(N,)``: 0 training, 1 validation, 2 test."""
    rows = _rows(files, PARTITION, published)
    if [row[0] for row in rows if row] != images or any(len(row) != 2 or row[1] not in "012" for row in rows):
        raise files.damaged(files.folder / PARTITION, f"it does not put the images of {ATTRIBUTES} into parts 0, 1, 2")
    parts = torch.tensor([int(row[1]) for row in rows])
    sizes = tuple(torch.bincount(parts, minlength=3).tolist())
    if sizes != published.sizes:
        raise files.damaged(files.folder / PARTITION, f"its parts hold {sizes} images, expected {published.sizes}")
    return parts


def _rows(files: PublishedFiles, name: str, published: Published) -> list[list[str]]:
    """The words of each line of a verified list."""
    text = files.read(f"md5:{published.md5[name]}", name).decode("ascii", "replace")
    return [line.split() for line in text.splitlines()]
