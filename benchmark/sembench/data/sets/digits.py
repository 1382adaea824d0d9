"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels, bundled, the embedded default."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC_BY_4, declares

_TEST_IMAGES = 360


@declares(CC_BY_4)
def digits(data_root: Path | None = None, *, image_size: int = 40) -> Dataset:
    """The digits with a fixed stratified split: 1,437 training and 360 test images.

    Args:
        data_root: Not used; the images come with scikit-learn.
        image_size: Pixels per side after resizing from 8.

    References:
        E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), UCI, 1998.
    """
    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float().div(16)[:, None]
    labels = torch.from_numpy(bunch.target)
    train, test = train_test_split(
        torch.arange(len(labels)).numpy(), test_size=_TEST_IMAGES, stratify=bunch.target, random_state=0
    )
    train, test = torch.from_numpy(train).sort().values, torch.from_numpy(test).sort().values
    return make_dataset(
        "digits",
        tuple(str(digit) for digit in range(10)),
        train=(pixels[train], labels[train]),
        test=(pixels[test], labels[test]),
        image_size=image_size,
        licence=CC_BY_4,
        source="Optical Recognition of Handwritten Digits, UCI, as bundled with scikit-learn",
    )
