"""Generated files in a folder: written, or compared with those that lie there.

A chart says which Matplotlib drew it, and its bytes depend on that: charts of another version are not compared. The
tables beside them hold the same numbers, and are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sembench.files import write_atomically

_DRAWN_BY = re.compile(rb"Matplotlib [0-9][0-9a-z.+]*")
_HEAD = 4096  # bytes, within which a chart says who drew it


def write(files: Mapping[str, bytes], out: Path) -> list[Path]:
    """Writes files by path relative to ``out``, each whole or not at all, and returns them in this order.

    Raises:
        DiskFull: If there is no room left; files written before are whole.
    """
    for name, content in files.items():
        write_atomically(out / name, content)
    return [out / name for name in files]


def stale(files: Mapping[str, bytes], out: Path, note: Callable[[str], None] | None = None) -> list[str]:
    """The files that are missing below ``out``, or hold something else: paths relative to it, sorted.

    ``note`` is called with every chart that was not compared, and why.
    """
    old = []
    for name, content in sorted(files.items()):
        there = (out / name).read_bytes() if (out / name).is_file() else b""
        if there == content:
            continue
        drawn = [drawn_by(name, chart) for chart in (there, content)]
        if None in drawn or drawn[0] == drawn[1]:
            old.append(name)
        elif note is not None:
            note(f"not compared: {name} was drawn by {drawn[0]}, here is {drawn[1]}")
    return old


def drawn_by(name: str, content: bytes) -> str | None:
    """Which version of Matplotlib drew a chart, as the chart says; ``None`` for everything else."""
    found = _DRAWN_BY.search(content[:_HEAD]) if name.endswith((".png", ".svg")) else None
    return found[0].decode() if found else None
