"""The published files of a data set: found, read and verified, with errors that say what to do."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sembench.data.memory import remembered
from sembench.errors import DataDamaged, DataMissing


@dataclass(frozen=True)
class PublishedFiles:
    """The files of one data set in one folder, and the address where they are offered, for messages."""

    folder: Path
    dataset: str
    address: str

    def find(self, *names: str) -> Path:
        """The first of these files that is there. Raises `DataMissing` if none is."""
        for name in names:
            if (self.folder / name).is_file():
                return self.folder / name
        raise self.missing(f"looked for {' and for '.join(str(self.folder / name) for name in names)}: not there")

    def missing(self, what: str) -> DataMissing:
        """An error that says what was looked for and the two ways to get it."""
        command = f"sembench run --dataset {self.dataset} --data-root DATA_ROOT --download"
        return DataMissing(
            f"{what}. Either put the published files there ({self.address}), or let sembench fetch them once: {command}"
        )

    def damaged(self, path: Path, reason: str) -> DataDamaged:
        """An error that names the file and says what to do."""
        return DataDamaged(
            f"{path} is damaged: {reason}. Put the published file ({self.address}) in its place; --download fetches it "
            "once the damaged one is moved elsewhere."
        )

    def content(self, path: Path) -> bytes:
        """All bytes of a file. Raises `DataMissing` if they may not be read, `DataDamaged` if they cannot."""
        try:
            return path.read_bytes()
        except PermissionError as error:
            raise DataMissing(
                f"{path} is there but may not be read: {error.strerror}. Change its permissions."
            ) from error
        except OSError as error:
            raise self.damaged(path, str(error)) from error

    def read(self, checksum: str, *names: str) -> bytes:
        """The verified bytes of the first of these files that is there. Raises `DataMissing` or `DataDamaged`."""
        path = self.find(*names)
        content = self.content(path)
        self.verify(path, checksum, lambda: content)
        return content

    def unpack(self, path: Path, content: bytes, shape: Sequence[int], header: bytes = b"") -> Tensor:
        """The content of a file as a uint8 tensor of a shape, behind a header. Raises `DataDamaged` if it is not."""
        length = len(header) + math.prod(shape)
        if len(content) != length:
            raise self.damaged(path, f"it holds {len(content):,} bytes, expected {length:,} for shape {shape}")
        if not content.startswith(header):
            found = content[: len(header)].hex()
            raise self.damaged(path, f"its header is {found}, expected {header.hex()} for shape {shape}")
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy())

    def verify(self, path: Path, checksum: str, content: Callable[[], bytes], of: str = "") -> None:
        """Compares a checksum with the published one; the result is remembered until the file changes.

        The checksum is ``"sha256:<hexadecimal>"`` or ``"md5:<hexadecimal>"`` ``of`` the file, or of what is named.

        Raises:
            DataDamaged: If they differ.
        """
        method, _, published = checksum.partition(":")

        def compute() -> str:
            return hashlib.new(method, content(), usedforsecurity=False).hexdigest()

        found = remembered(f"{method} {of}", [path], compute)
        if found != published:
            raise self.damaged(path, f"the {_METHODS[method]} of its content is {found}, published is {published}")

    def require_images(self, paths: Sequence[Path]) -> None:
        """Raises `DataMissing` unless all these image files are there."""
        absent = [path for path in paths if not path.is_file()]
        if absent:
            more = f" and {len(absent) - 1:,} more of {len(paths):,} images" if len(absent) > 1 else ""
            raise self.missing(f"looked for {absent[0]}{more}: not there")


_METHODS = {"sha256": "SHA-256", "md5": "MD5"}
