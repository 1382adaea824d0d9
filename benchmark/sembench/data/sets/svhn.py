"""SVHN: 73,257 training and 26,032 test photographs of house numbers' digits, 32x32, colour."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch import Tensor

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC0, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles

# As published by torchvision.
_MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373", "test": "eb5a983be6a315427106f1b164d9cef3"}
_IMAGES = {"train": 73_257, "test": 26_032}


@declares(CC0, fetch=by_torchvision("SVHN", {"split": "train"}, {"split": "test"}))
def svhn(data_root: Path, *, image_size: int = 32) -> Dataset:
    """SVHN's cropped digits from the layout of torchvision: ``<data_root>/train_32x32.mat`` and ``test_32x32.mat``.

    Both files may also lie in a folder ``svhn`` of it.

    Note:
        The licence is the one that the KMEx paper gives. The publisher's page asks for non-commercial use: for any
        other use, ask there first.

    References:
        Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Ng: Reading digits in natural images with unsupervised
        feature learning, 2011.
    """
    files = PublishedFiles(data_root, "svhn", "http://ufldl.stanford.edu/housenumbers/")
    train, test = (read_matrix(files, split, _MD5[split], _IMAGES[split]) for split in ("train", "test"))
    return make_dataset("svhn", tuple("0123456789"), train=train, test=test, image_size=image_size, licence=CC0,
                        source="Street View House Numbers, Netzer et al. 2011")  # fmt: skip


def read_matrix(files: PublishedFiles, split: str, md5: str, images: int) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, 32, 32)`` and labels of one split; the file's label 10 stands for the digit 0."""
    names = (f"{split}_32x32.mat", f"svhn/{split}_32x32.mat")
    path, content = files.find(*names), files.read(f"md5:{md5}", *names)
    try:
        found = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        pixels, labels = found["X"], found["y"].reshape(-1)
    except (MatReadError, ValueError, TypeError, KeyError, OSError, EOFError, zlib.error) as error:
        raise files.damaged(path, f"it is no Matlab file with X and y: {error}") from error
    if pixels.shape != (32, 32, 3, images) or pixels.dtype != np.uint8 or labels.shape != (images,):
        shape = f"X {pixels.dtype} {pixels.shape} and y {labels.shape}"
        raise files.damaged(path, f"it holds {shape}, expected uint8 {(32, 32, 3, images)} and {(images,)}")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))), torch.from_numpy(labels % 10)
