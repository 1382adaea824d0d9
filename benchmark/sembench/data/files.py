"""Where are a data set's published files, and are they what was published? One place finds and verifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sembench.data.memory import remembered
from sembench.errors import DataDamaged, DataMissing


@dataclass(frozen=True)
class PublishedFiles:
    """The files of one data set in one folder.

    Attributes:
        folder: Where they lie.
        dataset: Name of the data set in the registry.
        address: Where they are offered, for messages.
    """

    folder: Path
    dataset: str
    address: str

    def find(self, *names: str) -> Path:
        """The first of these files that is there.

        Raises:
            DataMissing: If none is; says where it looked and how to get it.
        """
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
        return DataDamaged(f"{path} is damaged: {reason}. Delete it and fetch it again.")

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

    def read(self, name: str, checksum: str) -> bytes:
        """A published file's verified bytes. Raises `DataMissing` or `DataDamaged`."""
        path = self.find(name)
        content = self.content(path)
        self.verify(path, checksum, lambda: content)
        return content

    def verify(self, path: Path, checksum: str, content: Callable[[], bytes], of: str = "") -> None:
        """Compares a checksum with the published one; found right once, it is remembered until the file changes.

        Args:
            path: The file.
            checksum: ``"sha256:<hexadecimal>"`` or ``"md5:<hexadecimal>"``.
            content: Gives the bytes that the checksum is of.
            of: What the checksum is of, where that is not the file itself.

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
