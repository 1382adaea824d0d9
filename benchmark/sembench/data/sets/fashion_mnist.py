"""Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothing, 28x28, grey."""

from __future__ import annotations

from pathlib import Path

from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import MIT, declares
from sembench.data.download import by_torchvision
from sembench.data.files import PublishedFiles
from sembench.data.idx import read_idx_splits

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@declares(MIT, fetch=by_torchvision("FashionMNIST"))
def fashion_mnist(data_root: Path, *, image_size: int = 32) -> Dataset:
    """Fashion-MNIST from the layout of torchvision: ``<data_root>/FashionMNIST/raw/``, files plain or gzipped.

    Args:
        data_root: The folder that holds ``FashionMNIST``.
        image_size: Pixels per side after resizing from 28.

    Raises:
        DataMissing: If a file is not there.
        DataDamaged: If a file is not what was published.

    References:
        H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, a novel image dataset for benchmarking machine learning
        algorithms, 2017, arXiv 1708.07747.
    """
    address = "https://github.com/zalandoresearch/fashion-mnist"
    files = PublishedFiles(data_root / "FashionMNIST" / "raw", "fashion-mnist", address)
    train, test = read_idx_splits(files, _SHA256)
    return make_dataset(
        "fashion-mnist",
        CLASSES,
        train=train,
        test=test,
        image_size=image_size,
        licence=MIT,
        source="Fashion-MNIST, Xiao et al. 2017",
    )
