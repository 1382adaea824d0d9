"""The IDX files of MNIST and its kin: found, verified and read, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import DataDamaged, DataMissing

_MAGIC = {1: 2049, 3: 2051}


def read_idx(folder: Path, stem: str, shape: tuple[int, ...], sha256: str) -> Tensor:
    """One verified array of unsigned bytes.

    Looks for ``<stem>`` and then for ``<stem>.gz`` in ``folder``.

    Args:
        folder: Where the files lie.
        stem: Published file name without ``.gz``.
        shape: Published shape.
        sha256: Hash of the published content, unpacked, in hexadecimal.

    Returns:
        uint8 tensor of the given shape.

    Raises:
        DataMissing: If neither file is there; says where it looked and the two ways to get it.
        DataDamaged: If the content is not what was published.
    """
    path = folder / stem
    if not path.is_file():
        path = folder / f"{stem}.gz"
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError as error:
        raise DataMissing(
            f"looked for {folder / stem} and for {stem}.gz beside it: neither is there. Either put the published file "
            "there, or let torchvision fetch it once (torchvision.datasets.MNIST(DATA_ROOT, download=True)); then "
            "pass --data-root DATA_ROOT."
        ) from error
    except PermissionError as error:
        raise DataMissing(f"{path} is there but may not be read: {error.strerror}. Change its permissions.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    header = np.array([_MAGIC[len(shape)], *shape], dtype=">i4").tobytes()
    length = len(header) + int(np.prod(shape))
    if len(content) != length:
        raise _damaged(path, f"it holds {len(content):,} bytes, expected {length:,} for shape {shape}")
    if not content.startswith(header):
        raise _damaged(path, f"its header is {content[: len(header)].hex()}, expected {header.hex()} for shape {shape}")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _damaged(path, f"the SHA-256 of its content is {found}, published is {sha256}")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy())


def _damaged(path: Path, reason: str) -> DataDamaged:
    return DataDamaged(f"{path} is damaged: {reason}. Delete it and fetch it again.")
