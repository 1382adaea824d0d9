"""How do finished results become a folder for a pull request? Copied to their places, with a manifest beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.plan import Cell
from benchmark.writing import write_atomically
from leaderboard.submission.manifest import write_manifest


def pack(cells: Sequence[Cell], runs: Path, out: Path, origins: dict[str, str]) -> list[Path]:
    """Copies the results of cells to ``out`` and writes a manifest for each entry.

    Args:
        cells: Cells whose results lie below ``runs``.
        runs: Folder of results.
        out: Folder of the submission; what other entries have there stays.
        origins: Where the explainer of each entry comes from.

    Returns:
        The files, in the order in which they were written.

    Raises:
        DiskFull: If there is no room left.
    """
    written = []
    for cell in cells:
        write_atomically(cell.path(out), cell.path(runs).read_bytes())
        written.append(cell.path(out))
    for suite, entry in sorted({(cell.suite, cell.entry) for cell in cells}):
        written.append(write_manifest(out, suite, entry, _public(origins[entry])))
    return written


def _public(origin: str) -> str:
    """Where an explainer comes from, without the folders of whoever submits it."""
    said, by, path = origin.partition("registered by ")
    return f"{said}{by}{Path(path).name}" if by else origin
