"""Tiny images with labels, and IDX files written byte by byte."""

import gzip
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sembench.data.dataset import Dataset, make_dataset
from sembench.errors import DataMissing
from sembench.seeding import generator


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The folder of real data sets that ``SEMBENCH_TEST_DATA`` names; a test of one that is not there is skipped."""
    folder = os.environ.get("SEMBENCH_TEST_DATA", "")
    if not folder:
        pytest.skip("SEMBENCH_TEST_DATA names no folder of real data sets")
    return Path(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A real data set that is not in the folder is skipped, not failed."""
    try:
        return (yield)
    except DataMissing as error:
        if "real_root" in getattr(item, "fixturenames", ()):
            pytest.skip(str(error))
        raise


@pytest.fixture
def pixels() -> torch.Tensor:
    """Eight grey images of 6x6 bytes."""
    return torch.randint(256, (8, 1, 6, 6), generator=generator(0, "pixels"), dtype=torch.uint8)


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


@pytest.fixture
def make(pixels: torch.Tensor, labels: torch.Tensor) -> Callable[..., Dataset]:
    """Makes a small data set; every part of it can be given."""

    def dataset(**changes: object) -> Dataset:
        parts = {
            "train": (pixels[:5], labels[:5]),
            "test": (pixels[5:], labels[5:]),
            "image_size": 9,
            "licence": "none",
            "source": "the test",
        }
        return make_dataset("tiny", ("a", "b", "c"), **{**parts, **changes})

    return dataset


def idx_bytes(array: np.ndarray) -> bytes:
    """The IDX format: two zero bytes, type 8 (unsigned byte), the number of dimensions, big-endian sizes, values."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


class IdxFile:
    """A small array with its published content, hash and name, to be written well or badly."""

    def __init__(self, folder: Path, array: np.ndarray) -> None:
        self.folder, self.array = folder, array
        self.stem = f"tiny-idx{array.ndim}-ubyte"
        self.content = idx_bytes(array)
        self.sha256 = hashlib.sha256(self.content).hexdigest()

    @property
    def plain(self) -> Path:
        return self.folder / self.stem

    @property
    def packed(self) -> Path:
        return self.folder / f"{self.stem}.gz"

    def write(self, content: bytes | None = None) -> None:
        self.plain.write_bytes(self.content if content is None else content)

    def pack(self, content: bytes | None = None) -> None:
        self.packed.write_bytes(gzip.compress(self.content if content is None else content))


@pytest.fixture(params=["images", "labels"])
def idx(request: pytest.FixtureRequest, tmp_path: Path) -> IdxFile:
    """Four images of 3x2 bytes, or seven labels; not yet written."""
    images = np.arange(24, dtype=np.uint8).reshape(4, 3, 2) * 10
    return IdxFile(tmp_path, images if request.param == "images" else np.array([3, 1, 4, 1, 5, 9, 2], dtype=np.uint8))
