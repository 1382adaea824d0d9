"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28, grey."""

from __future__ import annotations

from pathlib import Path

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import CC_BY_SA_3, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles
from sembench.data.idx import read_idx_splits

_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@declares(CC_BY_SA_3, fetch=by_torchvision("MNIST"))
def mnist(data_root: Path, *, image_size: int = 32) -> Dataset:
    """MNIST from the layout of torchvision: ``<data_root>/MNIST/raw/``, files plain or gzipped.

    Args:
        data_root: The folder that holds ``MNIST``.
        image_size: Pixels per side after resizing from 28.

    Raises:
        DataMissing: If a file is not there.
        DataDamaged: If a file is not what was published.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, 1998.
    """
    files = PublishedFiles(data_root / "MNIST" / "raw", "mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/")
    train, test = read_idx_splits(files, _SHA256)
    return make_dataset(
        "mnist",
        tuple(str(digit) for digit in range(10)),
        train=train,
        test=test,
        image_size=image_size,
        licence=CC_BY_SA_3,
        source="MNIST, LeCun et al. 1998",
    )
