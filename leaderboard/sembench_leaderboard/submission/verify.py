"""What came of a recomputation, in lines for a person and as a mark for the board."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from sembench.errors import UnknownName
from sembench.results.result import Result
from sembench_leaderboard.submission.agreement import Agreement
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.marks import Recomputed


def lines(path: PurePosixPath, agreement: Agreement) -> list[str]:
    """One line on a cell that agrees; on one that does not, a line for everything that differs."""
    complaints = [f"  {Complaint(str(path), *wrong)}" for wrong in agreement.wrong]
    share = {name: gap / agreement.limits[name] for name, gap in agreement.differences.items()}
    worst = max(share, key=lambda name: share[name], default=None)
    what = "" if complaints else "; no value differs"
    if not complaints and worst is not None and share[worst] > 0:
        of = "a value" if agreement.kind == "bit for bit" else "the mean"
        gap, limit = agreement.differences[worst], agreement.limits[worst]
        what = f"; nearest to its tolerance is {of} of {worst}: {gap:.3g} apart, {limit:.3g} allowed"
    verdict = "does not agree" if complaints else f"agrees {agreement.kind}"
    return [f"{path}: {verdict}{what}", *complaints, *(f"  note: {note}" for note in agreement.notes)]


def recomputed(agreement: Agreement, result: Result) -> Recomputed:
    """What a mark says of a cell that agrees."""
    told = result.provenance
    return Recomputed(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=told.device,
        processor=str(told.hardware.get("processor", "not recorded")),
        torch=told.packages.get("torch", "not recorded"),
        agreement=agreement.kind,
        differences=dict(agreement.differences),
    )


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
