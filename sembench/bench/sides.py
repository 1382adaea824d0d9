"""The two sides of a comparison: recorded already, or recorded now, in turn if both are revisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sembench.bench.record import record
from sembench.bench.recording import Recording, read_recording
from sembench.bench.revision import check_out


def sides(
    base: str, head: str, *, rounds: int, only: Sequence[str], say: Callable[[str], None]
) -> tuple[Recording, Recording]:
    """Recordings of both sides.

    Args:
        base: A revision, or a file or folder of recordings. What is there as a file or folder is one.
        head: Likewise.
        rounds: Rounds of each revision.
        only: Names of workloads of revisions; all if empty.
        say: Told what is going on.
    """
    found = {place: read_recording(Path(side)) for place, side in enumerate((base, head)) if Path(side).exists()}
    wanted = {place: side for place, side in enumerate((base, head)) if place not in found}
    with tempfile.TemporaryDirectory() as folder:
        trees, places = {}, []
        for place, revision in wanted.items():
            corner = Path(folder, str(place))
            corner.mkdir()
            name = check_out(revision, corner)
            trees[name if name not in trees else f"{name}, again"] = corner / "files"
            places.append(place)
        if trees:
            found.update(zip(places, record(trees, rounds=rounds, only=only, say=say), strict=True))
    return found[0], found[1]
