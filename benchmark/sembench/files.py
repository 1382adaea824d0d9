"""Writing files whole or not at all, with an error that says what stood in the way."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sembench.errors import DiskFull, NotWritable


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the operating system, while a file or folder is written, into one of sembench.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If it cannot be written for another reason; says which.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"no room to write {path}: {error.strerror}. Free some space and start the same command again; "
                "everything finished before is kept."
            ) from error
        raise NotWritable(
            f"{path} cannot be written: {error.strerror or error}. Name a folder that you may write to, or make this "
            "one writable."
        ) from error


def require_writable(folder: Path) -> None:
    """Raises `NotWritable` or `DiskFull` unless files can be made in a folder; makes the folder where it is missing."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part"):
            pass


def require_new(folder: Path) -> None:
    """Raises `NotWritable` unless a folder is empty or not there."""
    with writing(folder):
        try:
            found = next(folder.iterdir(), None)
        except FileNotFoundError:
            return
        except ValueError as error:
            raise NotWritable(f"{str(folder)!r} is no name of a folder: {error}.") from error
    if found is not None:
        raise NotWritable(f"{folder} is not empty: it holds {found.name}. Name a new folder.")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: temporary name in the same folder, flush to disk, rename.

    Raises:
        DiskFull, NotWritable: If it cannot be written; nothing is left behind and an older file stays as it was.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
