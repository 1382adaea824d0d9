"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images, 28x28, grey, ten classes, in the same IDX files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC_BY_SA_3, MIT, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles

_MAGIC = {1: 2049, 3: 2051}  # of an IDX file of unsigned bytes, by number of dimensions

DIGITS = tuple("0123456789")
CLOTHING = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_FASHION = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@declares(CC_BY_SA_3, fetch=by_torchvision("MNIST"))
def mnist(data_root: Path, *, image_size: int = 32) -> Dataset:
    """MNIST from the layout of torchvision: ``<data_root>/MNIST/raw/``, files plain or gzipped.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, 1998.
    """
    files = PublishedFiles(data_root / "MNIST" / "raw", "mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/")
    train, test = read_idx_splits(files, _MNIST)
    return make_dataset("mnist", DIGITS, train=train, test=test, image_size=image_size, licence=CC_BY_SA_3,
                        source="MNIST, LeCun et al. 1998")  # fmt: skip


@declares(MIT, fetch=by_torchvision("FashionMNIST"))
def fashion_mnist(data_root: Path, *, image_size: int = 32) -> Dataset:
    """Fashion-MNIST from the layout of torchvision: ``<data_root>/FashionMNIST/raw/``, files plain or gzipped.

    References:
        H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, a novel image dataset for benchmarking machine learning
        algorithms, 2017, arXiv 1708.07747.
    """
    address = "https://github.com/zalandoresearch/fashion-mnist"
    files = PublishedFiles(data_root / "FashionMNIST" / "raw", "fashion-mnist", address)
    train, test = read_idx_splits(files, _FASHION)
    return make_dataset("fashion-mnist", CLOTHING, train=train, test=test, image_size=image_size, licence=MIT,
                        source="Fashion-MNIST, Xiao et al. 2017")  # fmt: skip


def read_idx(files: PublishedFiles, stem: str, shape: tuple[int, ...], sha256: str) -> Tensor:
    """One verified array of unsigned bytes, from the file ``<stem>`` or else ``<stem>.gz``.

    Shape and hash, in hexadecimal, are those of the published content, unpacked.

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
    """Images ``(N, 1, side, side)`` and labels of the training split, then of the test split, see `read_idx`.

    Hashes, by file name without ``.gz``, and numbers of images are the published ones.
    """
    for stem, size in (("train", train), ("t10k", test)):
        images, labels = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
        pixels = read_idx(files, images, (size, side, side), sha256[images])[:, None]
        yield pixels, read_idx(files, labels, (size,), sha256[labels])
