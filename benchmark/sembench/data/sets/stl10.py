"""STL-10: 5,000 training and 8,000 test photographs of animals and vehicles, ten classes, 96x96, colour."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sembench.data.augmentation import Augmentation
from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import NON_COMMERCIAL, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

# As published by torchvision.
_MD5 = {
    "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "train_y.bin": "5a34089d4802c674881badbb80307741",
    "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
}
_IMAGES = {"train": 5_000, "test": 8_000}


@declares(NON_COMMERCIAL, fetch=by_torchvision("STL10"))
def stl10(data_root: Path, *, image_size: int = 96) -> Dataset:
    """STL-10's labelled images from the layout of torchvision: ``<data_root>/stl10_binary/``.

    References:
        A. Coates, H. Lee, A. Ng: An analysis of single-layer networks in unsupervised feature learning, 2011.
    """
    files = PublishedFiles(data_root / "stl10_binary", "stl10", "https://cs.stanford.edu/~acoates/stl10/")
    train, test = (read_binary(files, split, _MD5, _IMAGES[split]) for split in ("train", "test"))
    return make_dataset("stl10", CLASSES, train=train, test=test, image_size=image_size, licence=NON_COMMERCIAL,
                        source="STL-10, Coates et al. 2011", augmentation=Augmentation())  # fmt: skip


def read_binary(
    files: PublishedFiles, split: str, md5: dict[str, str], images: int, side: int = 96
) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, side, side)`` and labels from 0 of one split; files hold columns before rows, labels from 1."""
    pixels, labels = (
        files.unpack(files.folder / name, files.read(f"md5:{md5[name]}", name), shape)
        for name, shape in ((f"{split}_X.bin", (images, 3, side, side)), (f"{split}_y.bin", (images,)))
    )
    return pixels.transpose(2, 3).contiguous(), labels.long() - 1
