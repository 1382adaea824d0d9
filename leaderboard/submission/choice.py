"""Which cells are computed again? Those that were named, or some by lot, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from benchmark.errors import UnknownName


def choose(paths: Iterable[PurePosixPath], *, count: int, seed: int, named: Sequence[str] = ()) -> list[PurePosixPath]:
    """Paths of results, in their order.

    Args:
        paths: All results.
        count: How many to draw; all if there are no more.
        seed: Seed of the draw: every path is hashed with it, and the smallest hashes win.
        named: Cells that were named instead, ``suite/data set/entry/seed-n``.

    Raises:
        UnknownName: If a named cell is not there.
    """
    there = sorted(paths)
    if named:
        known = {str(path).removesuffix(".json"): path for path in there}
        for name in named:
            if name.removesuffix(".json") not in known:
                raise UnknownName("cell", name, known)
        return [known[name.removesuffix(".json")] for name in named]
    drawn = sorted(there, key=lambda path: hashlib.sha256(f"{seed}\x1f{path}".encode()).digest())
    return sorted(drawn[:count])
