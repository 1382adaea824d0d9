"""QuickDraw: sketches by players of a game, 28x28, grey; FLINT's ten classes, or any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC_BY_4, declares
from sembench.data.download import single
from sembench.data.files import PublishedFiles
from sembench.errors import SuiteInvalid

FLINT = ("ant", "apple", "banana", "carrot", "cat", "cow", "dog", "frog", "grapes", "lion")
"""The ten classes that FLINT and the KMEx paper use."""

ADDRESS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"

_PIXELS = 28 * 28


def fetch_bitmaps(data_root: Path, options: Mapping[str, Any]) -> None:
    """Fetches the bitmaps of the classes asked for, about 100 MB each, from the public bucket."""
    for name in options.get("classes", FLINT):
        single(f"{ADDRESS}{quote(name)}.npy", data_root / "QuickDraw" / f"{name}.npy")


@declares(CC_BY_4, fetch=fetch_bitmaps)
def quickdraw(
    data_root: Path,
    *,
    image_size: int = 32,
    classes: Sequence[str] = FLINT,
    train_images: int = 800,
    test_images: int = 200,
) -> Dataset:
    """QuickDraw from the public bitmaps, one file a class: ``<data_root>/QuickDraw/<class>.npy``.

    Of each class the first drawings are for training, the next ones for testing; the rest is not read. There are no
    published checksums: a file is damaged if it does not hold as many drawings of 784 bytes.

    Args:
        data_root: The folder of data sets.
        image_size: Pixels per side after resizing from 28.
        classes: Names of classes as published, in the order of labels.
        train_images: Training images of each class.
        test_images: Test images of each class.

    Raises:
        SuiteInvalid: If a class is named twice, or the numbers make no split.

    Note:
        [K] A.1 has the same classes and numbers, but the drawings that FLINT's authors picked, not the first ones
        [ours]: numbers of the two are not those of one data set.

    References:
        D. Ha, D. Eck: A neural representation of sketch drawings, 2018. Classes: J. Parekh et al.: A framework to
        learn with interpretation (FLINT), 2021.
    """
    if len(set(classes)) != len(classes) or len(classes) < 2 or any(Path(name).name != name for name in classes):
        raise SuiteInvalid(f"quickdraw: classes are {list(classes)}; give at least two different published names.")
    if min(train_images, test_images) < 1:
        raise SuiteInvalid(f"quickdraw: {train_images} training and {test_images} test images; 1 is the least.")
    files = PublishedFiles(data_root / "QuickDraw", "quickdraw", ADDRESS)
    drawings = [read_drawings(files, name, train_images + test_images) for name in classes]

    def split(first: int, last: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(len(classes)).repeat_interleave(last - first)
        return torch.cat([part[first:last] for part in drawings]), labels

    train, test = split(0, train_images), split(train_images, train_images + test_images)
    return make_dataset("quickdraw", tuple(classes), train=train, test=test, image_size=image_size, licence=CC_BY_4,
                        source="The Quick, Draw! Dataset, Google")  # fmt: skip


def read_drawings(files: PublishedFiles, name: str, count: int) -> Tensor:
    """The first drawings of a class, uint8 ``(count, 1, 28, 28)``."""
    path = files.find(f"{name}.npy")
    try:
        bitmaps = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise files.damaged(path, str(error)) from error
    shape = bitmaps.shape
    if bitmaps.dtype != np.uint8 or bitmaps.ndim != 2 or shape[0] < count or shape[1] != _PIXELS:
        raise files.damaged(
            path, f"it holds {bitmaps.dtype} {shape}, expected uint8 (n, {_PIXELS}) with at least {count:,} drawings"
        )
    return torch.from_numpy(np.array(bitmaps[:count])).view(count, 1, 28, 28)
