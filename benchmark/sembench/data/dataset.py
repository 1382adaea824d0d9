"""Data sets: two splits of labelled images, their normalisation, licence and hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import PIL
import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.data.arrays import checked_labels, checked_pixels
from sembench.data.augmentation import Augmentation
from sembench.data.declaration import Licence
from sembench.data.image_files import ImageFiles
from sembench.data.memory import remembered
from sembench.errors import DataDamaged
from sembench.types import Batch, Capability

Pixels = Tensor | ImageFiles
"""Images of a split: in memory, or in files that are decoded on demand."""

_CHUNK = 4096 * 3 * 8 * 32 * 32  # bytes of float64 images at a time, for statistics: 4,096 images of 32 pixels
_CONSTANT = 1e-12  # variance below which a channel's pixels differ by rounding only


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per colour channel, of the training set's pixels in [0, 1].

    Attributes:
        mean: Three channel means.
        std: Three standard deviations, all positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to zero mean and unit variance."""
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std


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


def to_pixel_space(pixels: Tensor, image_size: int) -> Tensor:
    """Stored images to ``(B, 3, H, W)`` float32 in [0, 1]: scaled, resized (bilinear), grey to three channels."""
    images = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if images.shape[-1] != image_size or images.shape[-2] != image_size:
        smaller = images.shape[-1] > image_size or images.shape[-2] > image_size
        images = F.interpolate(images, size=(image_size, image_size), mode="bilinear", antialias=smaller)
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def measure_normalisation(pixels: Pixels, image_size: int, chunk: int | None = None) -> Normalisation:
    """Statistics of training images ``(N, 1 or 3, H0, W0)`` once resized, in float64; those of files are remembered.

    ``chunk`` is the number of images per step, by default 100 MB of float64.

    Raises:
        DataDamaged: If a channel is constant.
    """
    chunk = chunk or max(1, _CHUNK // (3 * 8 * image_size**2))
    if isinstance(pixels, ImageFiles):
        what = f"statistics at {image_size} pixels in {pixels.boxes} as seen, Pillow {PIL.__version__}"
        found = json.loads(remembered(what, pixels.paths, lambda: json.dumps(_statistics(pixels, image_size, chunk))))
        return Normalisation(*map(tuple, found))
    return Normalisation(*_statistics(pixels, image_size, chunk))


def _statistics(pixels: Pixels, image_size: int, chunk: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    total, squares, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for part in pixels.split(chunk):
        images = to_pixel_space(part, image_size).double()
        total += images.sum((0, 2, 3))
        squares += images.square().sum((0, 2, 3))
        count += images[:, 0].numel()
    mean = total / count
    variance = squares / count - mean.square()
    if bool((variance < _CONSTANT).any()):
        raise DataDamaged("every training image has the same constant colour in some channel; look at the files.")
    return tuple(mean.tolist()), tuple(variance.sqrt().tolist())


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
    """
    names = tuple(classes)
    _check_names(name, names)
    train, test = (
        _checked(part, f"{name}: the {split} split", len(names))
        for split, part in (("training", train), ("test", test))
    )
    normalisation = measure_normalisation(train[0], image_size)
    first, second = (Split(p, y, image_size, normalisation, len(names)) for p, y in (train, test))
    terms = licence if isinstance(licence, Licence) else Licence(licence, open=False)
    first = replace(first, augmentation=augmentation)
    return Dataset(name, names, first, second, licence=terms.name, open_licence=terms.open, source=source, notes=notes)


def _checked(part: tuple[Any, Any], where: str, n_classes: int) -> tuple[Pixels, Tensor]:
    """Images and labels of a split, as a data set holds them."""
    pixels = part[0] if isinstance(part[0], ImageFiles) else checked_pixels(part[0], where)
    labels = checked_labels(part[1], where, n_classes)
    if len(pixels) != len(labels) or len(labels) == 0:
        raise DataDamaged(f"{where} has {len(pixels)} images and {len(labels)} labels.")
    return pixels, labels


def _check_names(name: str, classes: tuple[str, ...]) -> None:
    strange = [found for found in classes if not isinstance(found, str)]
    if strange or len(set(classes)) != len(classes):
        wrong = f"{strange[0]!r} is no text" if strange else "some are the same"
        raise DataDamaged(f"{name}: names of classes must be different texts, and {wrong}.")
