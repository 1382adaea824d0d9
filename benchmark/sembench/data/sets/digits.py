"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels, bundled, the embedded default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC_BY_4, declares

_TEST_IMAGES = 360


@declares(CC_BY_4)
def digits(data_root: Path | None = None, *, image_size: int = 40) -> Dataset:
    """The digits with a fixed stratified split: 1,437 training and 360 test images.

    The folder is not used: the images, 8 pixels wide, come with scikit-learn.

    References:
        E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), UCI, 1998.
    """
    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float().div(16)[:, None]
    labels = torch.from_numpy(bunch.target)
    parts = train_test_split(np.arange(len(labels)), test_size=_TEST_IMAGES, stratify=bunch.target, random_state=0)
    train, test = (torch.from_numpy(np.sort(part)) for part in parts)
    source = "Optical Recognition of Handwritten Digits, UCI, as bundled with scikit-learn"
    return make_dataset("digits", tuple("0123456789"), train=(pixels[train], labels[train]),
                        test=(pixels[test], labels[test]), image_size=image_size, licence=CC_BY_4,
                        source=source)  # fmt: skip
