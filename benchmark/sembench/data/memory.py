"""Facts about files, checksums and statistics, kept until a file changes.

A fact is stored under the files' paths, sizes and times of change. Outside of `remembering` nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol


class Memory(Protocol):
    """Keeps facts by key, e.g. `sembench.running.cache.Facts`."""

    def recall(self, key: str) -> str | None:
        """The fact under a key, ``None`` where there is none."""

    def keep(self, key: str, fact: str) -> None:
        """Puts a fact under a key."""


_MEMORY: ContextVar[Memory | None] = ContextVar("where facts about files are kept", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Keeps what `remembered` computes inside this block."""
    token = _MEMORY.set(memory)
    try:
        yield
    finally:
        _MEMORY.reset(token)


def remembered(what: str, paths: Iterable[Path], compute: Callable[[], str]) -> str:
    """A fact about files, computed only if it is not known or one of the files has changed.

    Args:
        what: Which fact; names everything else that it depends on.
        paths: The files that it is about; their order counts.
        compute: Finds the fact.

    Raises:
        FileNotFoundError: If a file is not there.
        DiskFull: If there is no room to keep the fact.
    """
    memory = _MEMORY.get()
    if memory is None:
        return compute()
    key = _key(what, paths)
    known = memory.recall(key)
    if known is None:
        known = compute()
        memory.keep(key, known)
    return known


def _key(what: str, paths: Iterable[Path]) -> str:
    total = hashlib.sha256(what.encode())
    for path in paths:
        status = path.stat()
        total.update(f"\0{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return total.hexdigest()
