"""How do generated files get into a folder, and are those that lie there up to date?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark.results import write_atomically


def write(files: Mapping[str, bytes], out: Path) -> list[Path]:
    """Writes files by path relative to ``out``, each whole or not at all.

    Returns:
        The files, in the order in which they were written.

    Raises:
        DiskFull: If there is no room left; files written before are whole.
    """
    for name, content in files.items():
        write_atomically(out / name, content)
    return [out / name for name in files]


def stale(files: Mapping[str, bytes], out: Path) -> list[str]:
    """Which of these files are missing below ``out``, or hold something else? Relative paths, sorted."""
    return sorted(
        name for name, content in files.items() if not (out / name).is_file() or (out / name).read_bytes() != content
    )
