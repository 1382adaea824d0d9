"""Data sets: two splits of labelled images, their normalisation, licence and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from sembench.data.arrays import checked_labels, checked_pixels, darkness
from sembench.data.augmentation import Augmentation
from sembench.data.declaration import Licence
from sembench.data.facts import DataFacts
from sembench.data.image_files import ImageFiles
from sembench.data.normalisation import Normalisation, Pixels, measure_normalisation, to_pixel_space
from sembench.errors import DataDamaged, SuiteInvalid
from sembench.types import Batch, Capability


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one split, stored as published; resized, given three channels and normalised batch by batch.

    Attributes:
        pixels: ``(N, 1 or 3, H0, W0)``, uint8 or float in [0, 1]; or files, decoded batch by batch.
        labels: ``(N,)``, int64.
        image_size: Height and width that images are resized to, pixels.
        normalisation: Applied after resizing.
        n_classes: Number of classes of the data set, ``C``.
        augmentation: How images are varied in training steps, and only there.
        attributes: ``(N, A)``, bool: which attributes an image has, where the data set knows them.
    """

    pixels: Pixels
    labels: Tensor
    image_size: int
    normalisation: Normalisation
    n_classes: int
    augmentation: Augmentation | None = None
    attributes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, indices: Tensor) -> Tensor:
        """Images in pixel space, ``(B, 3, H, W)`` in [0, 1]."""
        return to_pixel_space(self.pixels[indices], self.image_size)

    def batch(self, indices: Tensor) -> Batch:
        """The normalised images at these positions."""
        return Batch(self.normalisation(self.load(indices)), self.labels[indices], indices)

    def training_batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        """The images at these positions, augmented (by draws from the generator) if the data set asks for that."""
        if self.augmentation is None:
            return self.batch(indices)
        images = self.augmentation(self.load(indices), generator)
        return Batch(self.normalisation(images), self.labels[indices], indices)

    def batches(self, size: int) -> Iterator[Batch]:
        """All images in order, in batches of at most ``size``."""
        for start in range(0, len(self), size):
            yield self.batch(torch.arange(start, min(start + size, len(self))))

    def in_turn(self, images: Tensor, count: int) -> Tensor:
        """The first ``count`` of these images ``(M,)``, classes taking turns; sorted indices ``(min(count, M),)``."""
        labels = self.labels[images]
        # Rank of every image within its class: taking the lowest ranks balances the classes.
        rank = torch.stack([(labels == label).cumsum(0) for label in range(self.n_classes)]).gather(0, labels[None])[0]
        return images[rank.argsort(stable=True)[:count]].sort().values


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its fixed split.

    Attributes:
        name: Name in the registry.
        classes: Names of the classes, in label order.
        train: Training split.
        test: Test split.
        licence: Licence of the images.
        source: Origin, for the reader of a board.
        open_licence: Whether the licence is open, see `sembench.data.declaration.Licence`.
        attribute_names: Names of the attributes of its images, if there are any.
        supports: What it offers beyond images and labels.
        notes: What its reader should know: which files were left out and why, which stand in both splits.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    licence: str
    source: str
    open_licence: bool = False
    attribute_names: tuple[str, ...] = ()
    supports: frozenset[Capability] = field(default_factory=frozenset)
    notes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """Number of classes, ``C``."""
        return len(self.classes)

    @property
    def facts(self) -> DataFacts:
        """What its models have to know of it."""
        files = self.train.pixels if isinstance(self.train.pixels, ImageFiles) else None
        cropped = files is not None and files.boxes is not None
        return DataFacts(
            self.name, self.classes, self.train.image_size, self.train.normalisation,
            "torch" if files is None else "pillow", cropped, self.licence,
        )  # fmt: skip

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels (or of the bytes of the image files), labels, attributes, split and size, in hexadecimal."""
        digest = hashlib.sha256(f"{self.classes} {self.train.image_size}".encode())
        for split in (self.train, self.test):
            attributes = () if split.attributes is None else (split.attributes,)
            for part in (split.pixels, split.labels, *attributes):
                digest.update(f"{tuple(part.shape)} {part.dtype}".encode())
                digest.update(part.sha256.encode() if isinstance(part, ImageFiles) else part.contiguous().numpy().data)
        return digest.hexdigest()


def make_dataset(
    name: str,
    classes: Sequence[str],
    *,
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    image_size: int,
    licence: Licence | str,
    source: str,
    augmentation: Augmentation | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A data set from ``(pixels, labels)`` pairs, normalised by its own training statistics.

    Args:
        name: Name in the registry.
        classes: Names of the classes, in label order.
        train: Training images ``(N, 1 or 3, H, W)``, a tensor or array of uint8 (0 to 255) or of floats in [0, 1], or
            files; and labels ``(N,)``, integers from 0.
        test: Test images and labels, likewise.
        image_size: Pixels per side after resizing.
        licence: Licence of the images; one that is only named counts as not open.
        source: Origin, for the reader of a board.
        augmentation: How training images are varied.
        notes: What a reader should know, see `Dataset`.

    Raises:
        DataDamaged: If shape, type or range of images or labels are others, or their numbers differ; or names of
            classes are the same.
        SuiteInvalid: If the size is no whole number of pixels.
    """
    names, size = _names(name, classes), _size(name, image_size)
    train, test = (
        _checked(part, f"{name}: the {split} split", len(names))
        for split, part in (("training", train), ("test", test))
    )
    normalisation = measure_normalisation(train[0], size)
    first, second = (Split(p, y, size, normalisation, len(names)) for p, y in (train, test))
    terms = licence if isinstance(licence, Licence) else Licence(licence, open=False)
    first = replace(first, augmentation=augmentation)
    for split, part in (("training", first), ("test", second)):
        notes += () if isinstance(part.pixels, ImageFiles) else darkness(part.pixels, f"The {split} split of {name}")
    return Dataset(name, names, first, second, licence=terms.name, open_licence=terms.open, source=source, notes=notes)


def _checked(part: tuple[Any, Any], where: str, n_classes: int) -> tuple[Pixels, Tensor]:
    """Images and labels of a split, as a data set holds them."""
    pixels = part[0] if isinstance(part[0], ImageFiles) else checked_pixels(part[0], where)
    labels = checked_labels(part[1], where, n_classes)
    if len(pixels) != len(labels) or len(labels) == 0:
        raise DataDamaged(f"{where} has {len(pixels)} images and {len(labels)} labels.")
    return pixels, labels


def _names(name: str, classes: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes. Raises `DataDamaged` if they are no list of different texts."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise DataDamaged(f"{name}: the classes are {classes!r}; give a list of their names, in label order.")
    names = tuple(classes)
    strange = [found for found in names if not isinstance(found, str)]
    if strange or len(set(names)) != len(names):
        wrong = f"{strange[0]!r} is no text" if strange else "some are the same"
        raise DataDamaged(f"{name}: names of classes must be different texts, and {wrong}.")
    return names


def _size(name: str, image_size: int) -> int:
    """The size of images. Raises `SuiteInvalid` if it is no whole number of pixels, at least 1."""
    if isinstance(image_size, bool) or not isinstance(image_size, Integral) or image_size < 1:
        raise SuiteInvalid(
            f"{name}: image_size is {image_size!r}; a whole number of pixels, at least 1, is needed, e.g. 224."
        )
    return int(image_size)
