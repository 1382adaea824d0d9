"""Facts about files, checksums and statistics, kept until a file changes.

A fact is stored under the files' paths, sizes and times of change. Outside of `remembering` nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sembench.files import write_atomically

_MEMORY: ContextVar[Path | None] = ContextVar("where facts about files are kept", default=None)


@contextmanager
def remembering(memory: Path) -> Iterator[None]:
    """Keeps what `remembered` computes inside this block in a JSON file, which is made when first written to."""
    token = _MEMORY.set(memory)
    try:
        yield
    finally:
        _MEMORY.reset(token)


def remembered(what: str, paths: Iterable[Path], compute: Callable[[], str]) -> str:
    """A fact about files, whose order counts, computed only if it is not known or one of the files has changed.

    ``what`` names the fact and everything else that it depends on.

    Raises:
        FileNotFoundError: If a file is not there.
        DiskFull: If there is no room to keep the fact.
    """
    memory = _MEMORY.get()
    if memory is None:
        return compute()
    key = _key(what, paths)
    known = _facts(memory).get(key)
    if not isinstance(known, str):
        known = compute()
        write_atomically(memory, json.dumps({**_facts(memory), key: known}, indent=1, sort_keys=True).encode())
    return known


def _facts(memory: Path) -> dict[str, Any]:
    try:
        found = json.loads(memory.read_bytes())
    except (FileNotFoundError, ValueError):  # missing or damaged: every fact can be found out again
        return {}
    return found if isinstance(found, dict) else {}


def _key(what: str, paths: Iterable[Path]) -> str:
    total = hashlib.sha256(what.encode())
    for path in paths:
        status = path.stat()
        total.update(os.fsencode(f"\0{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"))
    return total.hexdigest()
