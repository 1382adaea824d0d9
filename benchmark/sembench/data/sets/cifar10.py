"""CIFAR-10: 50,000 training and 10,000 test photographs of animals and vehicles, ten classes, 32x32, colour."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sembench.data.augmentation import Augmentation
from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import NONE_STATED, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles

# Of files whose MD5 are those that torchvision publishes.
_SHA256 = {
    "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
    "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
    "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
    "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
    "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    "test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    "batches.meta": "f962466ef690d46b226450fb9aadc74ba4bc64a76aa526b5827fe4bc5c7125cb",
}


@declares(NONE_STATED, fetch=by_torchvision("CIFAR10"))
def cifar10(data_root: Path, *, image_size: int = 32) -> Dataset:
    """CIFAR-10 from the layout of torchvision: ``<data_root>/cifar-10-batches-py/``.

    References:
        A. Krizhevsky: Learning multiple layers of features from tiny images, 2009.
    """
    folder = data_root / "cifar-10-batches-py"
    files = PublishedFiles(folder, "cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz")
    return make_dataset("cifar10", **read_batches(files, _SHA256), image_size=image_size, licence=NONE_STATED,
                        source="CIFAR-10, Krizhevsky 2009", augmentation=Augmentation())  # fmt: skip


def read_batches(files: PublishedFiles, sha256: Mapping[str, str], images: int = 10_000) -> dict[str, Any]:
    """Names of classes and both splits, each images ``(N, 3, 32, 32)`` and labels, read without executing a pickle.

    Hashes, by file name, and the number of images in each batch are the published ones.
    """

    def batch(name: str) -> tuple[Tensor, Tensor]:
        content, path = _unpickled(files, name, sha256[name]), files.folder / name
        try:
            pixels, labels = content[b"data"].reshape(images, 3, 32, 32), np.array(content[b"labels"])
        except (KeyError, ValueError, AttributeError) as error:
            raise files.damaged(path, f"it does not hold {images:,} images of 32x32: {error}") from error
        return torch.from_numpy(pixels.copy()), torch.from_numpy(labels)

    names = [str(name, "ascii") for name in _unpickled(files, "batches.meta", sha256["batches.meta"])[b"label_names"]]
    parts = [batch(name) for name in sorted(sha256) if name.startswith("data_batch")]
    pixels, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return {"classes": tuple(names), "train": (pixels, labels), "test": batch("test_batch")}


def _unpickled(files: PublishedFiles, name: str, sha256: str) -> dict[bytes, Any]:
    content = files.read(f"sha256:{sha256}", name)
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise files.damaged(files.folder / name, f"it is no batch of CIFAR-10: {error}") from error
    return {key: value.array if isinstance(value, _Array) else value for key, value in found.items()}


class _Reader(pickle.Unpickler):
    """Reads lists, strings, numbers and arrays of bytes; refuses anything else that a pickle asks for."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
            ("numpy", "ndarray"): None,  # an argument of the line above
            ("numpy", "dtype"): lambda *_: _Kind(),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no published batch does")
        return known[module, name]


class _Kind:
    """Stands for the type of an array, which is unsigned bytes in every published batch."""

    def __setstate__(self, state: object) -> None:
        """Takes what a pickle says of the type."""


class _Array:
    """An array of bytes as a pickle holds it."""

    array: np.ndarray[Any, Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Takes version, shape, type, memory order and content."""
        _, shape, _, _, content = state
        self.array = np.frombuffer(content, np.uint8).reshape(shape)
