"""What came of a recomputation, in lines for a person and as a mark for the board."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

from benchmark.results import Result
from leaderboard.submission.agreement import Agreement
from leaderboard.submission.complaint import Complaint
from leaderboard.submission.marks import Recomputed


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
