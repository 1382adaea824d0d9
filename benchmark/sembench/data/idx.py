"""IDX files, the format of MNIST: found, verified and read, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor

from sembench.data.files import PublishedFiles

_MAGIC = {1: 2049, 3: 2051}


def read_idx(files: PublishedFiles, stem: str, shape: tuple[int, ...], sha256: str) -> Tensor:
    """One verified array of unsigned bytes, from the file ``<stem>`` or else ``<stem>.gz``.

    Args:
        files: Where the files lie.
        stem: Published file name without ``.gz``.
        shape: Published shape.
        sha256: Hash of the published content, unpacked, in hexadecimal.

    Raises:
        DataMissing: If neither file is there.
        DataDamaged: If the content is not what was published.
    """
    path = files.find(stem, f"{stem}.gz")
    content = files.content(path)
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise files.damaged(path, str(error)) from error
    header = np.array([_MAGIC[len(shape)], *shape], dtype=">i4").tobytes()
    array = files.unpack(path, content, shape, header)
    files.verify(path, f"sha256:{sha256}", lambda: content, of="the unpacked content")
    return array


def read_idx_splits(
    files: PublishedFiles, sha256: Mapping[str, str], *, train: int = 60_000, test: int = 10_000, side: int = 28
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels of the training split, then of the test split, in the layout of MNIST, see `read_idx`.

    Args:
        files: Where the files lie.
        sha256: Published hashes by file name without ``.gz``.
        train: Published number of training images.
        test: Published number of test images.
        side: Height and width of an image, pixels.
    """
    for stem, size in (("train", train), ("t10k", test)):
        images, labels = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
        pixels = read_idx(files, images, (size, side, side), sha256[images])[:, None]
        yield pixels, read_idx(files, labels, (size,), sha256[labels])
