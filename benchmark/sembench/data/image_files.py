"""Images that stay in their files until they are used, for data sets that do not fit in memory decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import overload

import torch
from PIL import Image
from torch import Tensor

from sembench.data.memory import remembered
from sembench.data.seeing import opened, printable, tensor_of
from sembench.errors import DataDamaged

Box = tuple[int, int, int, int]
"""Left, upper, right and lower edge of what is shown of an image, pixels; the last two lie outside."""

BUDGET = 512 * 1024**2
"""Decoded images of one split are kept if all of them fit in this, bytes."""

_THREADS = min(8, os.cpu_count() or 1)


class ImageFiles:
    """Image files that are used like a uint8 tensor ``(N, 3, size, size)`` and decoded when indexed.

    Each image is decoded as `sembench.data.seeing` says, cropped to its box and resized (bilinear with antialiasing,
    the aspect ratio not kept), by a few threads at once. A split that fits in the budget is decoded once and kept.

    Args:
        paths: The files.
        size: Height and width that images are resized to, pixels.
        boxes: What is shown of each image; everything if ``None``.
        budget: Bytes of decoded images that may be kept.
    """

    dtype = torch.uint8

    def __init__(
        self, paths: Sequence[Path], size: int, boxes: Sequence[Box] | None = None, budget: int = BUDGET
    ) -> None:
        self.paths = tuple(paths)
        self.boxes = None if boxes is None else tuple(boxes)
        self.shape = (len(self.paths), 3, size, size)
        self._budget = budget
        fits = len(self.paths) * 3 * size * size <= budget
        self._kept = torch.empty(self.shape, dtype=torch.uint8) if fits else None
        self._decoded = torch.zeros(len(self.paths), dtype=torch.bool)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, indices: slice) -> ImageFiles: ...

    @overload
    def __getitem__(self, indices: Tensor) -> Tensor: ...

    def __getitem__(self, indices: slice | Tensor) -> ImageFiles | Tensor:
        """A shorter list of files for a slice; decoded images for a tensor of positions or a mask."""
        if isinstance(indices, slice):
            boxes = None if self.boxes is None else self.boxes[indices]
            return ImageFiles(self.paths[indices], self.shape[-1], boxes, self._budget)
        positions = torch.arange(len(self))[indices]
        if self._kept is None:
            return self._decode(positions)
        fresh = positions[~self._decoded[positions]].unique()
        if len(fresh):
            self._kept[fresh] = self._decode(fresh)
            self._decoded[fresh] = True
        return self._kept[positions]

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, decoded ``size`` at a time."""
        return (self[part] for part in torch.arange(len(self)).split(size))

    @cached_property
    def sha256(self) -> str:
        """Hash of the files' bytes, their order and boxes, in hexadecimal; names and places do not count."""
        content = remembered("sha256 of all files in order", self.paths, self._content)
        return hashlib.sha256(f"{content} {self.boxes}".encode()).hexdigest()

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of each file. Raises `DataDamaged` if one cannot be read."""
        return tuple(map(_digest, self.paths))

    def _content(self) -> str:
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def _decode(self, positions: Tensor) -> Tensor:
        images = torch.empty((len(positions), *self.shape[1:]), dtype=torch.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            chosen = positions.tolist()
            boxes = repeat(None) if self.boxes is None else (self.boxes[position] for position in chosen)
            paths = (self.paths[position] for position in chosen)
            for place, image in enumerate(pool.map(decode, paths, repeat(self.shape[-1]), boxes)):
                images[place] = image
        return images


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataDamaged(
            f"{printable(path)} cannot be read: {error.strerror}. Look at the file and its rights."
        ) from error


def decode(image: Path | str | Image.Image, size: int, box: Box | None = None) -> Tensor:
    """One image, of a file or of Pillow, as a person sees it: uint8 ``(3, size, size)``; a box is clipped to the image.

    Raises:
        DataDamaged: If it is no image, or cut short, or refused by `sembench.data.seeing`, or none of it is in the box.
    """
    with opened(image) as colour:
        left, upper, right, lower = box or (0, 0, *colour.size)
        inside = max(0, left), max(0, upper), min(colour.width, right), min(colour.height, lower)
        return tensor_of(colour.resize((size, size), Image.Resampling.BILINEAR, inside))
