"""Verification: runs are drawn from a folder of results, computed again, compared, and marked where they agree."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from sembench.errors import UnknownName
from sembench.results.result import Result, read_result
from sembench.suites.plan import Run, check_names, run_of
from sembench_leaderboard.submission.agreement import Agreement, compare
from sembench_leaderboard.submission.problem import Problem, Results
from sembench_leaderboard.submission.records import Recomputed

Compute = Callable[[list[Run], Path], Mapping[str, BaseException]]
"""Computes runs into an empty folder, and returns the error of every run that failed, by the run's name."""


@dataclass(frozen=True)
class Verification:
    """Comparison of some results with their runs, computed again.

    Attributes:
        agreements: The comparison of every run that could be recomputed, by path of its result.
        marks: What a mark says of runs that agree; entries with a run that does not agree are left out.
        failed: How many runs could not be recomputed.
    """

    agreements: Mapping[PurePosixPath, Agreement]
    marks: Mapping[PurePosixPath, Recomputed]
    failed: int

    @property
    def agree(self) -> bool:
        """Whether every run could be recomputed and agrees."""
        return not self.failed and not any(agreement.wrong for agreement in self.agreements.values())

    def __str__(self) -> str:
        right = sum(not agreement.wrong for agreement in self.agreements.values())
        missed = f", {self.failed} could not be recomputed" if self.failed else ""
        return f"{right} of {len(self.agreements) + self.failed} runs agree{missed}"


def choose(paths: Iterable[PurePosixPath], *, count: int, seed: int, named: Sequence[str] = ()) -> list[PurePosixPath]:
    """Paths of results to recompute, in their order, or in that of ``named``.

    ``count`` of them are drawn, all if there are no more: every path is hashed with the seed, and the smallest hashes
    win. Runs that are named, ``suite/data set/entry/seed-n``, are taken instead.

    Raises:
        UnknownName: If a named run is not there.
    """
    if named:
        known = {str(path).removesuffix(".json"): path for path in paths}
        asked = list(dict.fromkeys(name.removesuffix(".json") for name in named))
        for name in asked:
            if name not in known:
                raise UnknownName("run", name, known)
        return [known[name] for name in asked]
    drawn = sorted(paths, key=lambda path: (hashlib.sha256(f"{seed}\x1f{path}".encode()).digest(), path))
    return sorted(drawn[:count])


def verify(results: Results, chosen: Iterable[PurePosixPath], compute: Compute) -> Verification:
    """Computes the runs of the chosen results again, from nothing, and compares them within stated tolerances.

    Raises:
        UnknownName: If no registry knows an explainer, data set, backbone or metric of theirs.
    """
    runs = {path: run_of(results[path]) for path in chosen}
    check_names(runs.values())
    with tempfile.TemporaryDirectory() as folder:
        failed = compute(list(runs.values()), Path(folder))
        again = {path: read_result(run.path(Path(folder))) for path, run in runs.items() if run.name not in failed}
    agreements = {path: compare(results[path], result) for path, result in again.items()}
    doubtful = {_entry(path) for path, agreement in agreements.items() if agreement.wrong}
    agreed = {path: result for path, result in again.items() if _entry(path) not in doubtful}
    marks = {path: _recomputed(agreements[path], result) for path, result in agreed.items()}
    return Verification(agreements, marks, len(failed))


def _entry(path: PurePosixPath) -> tuple[str, str]:
    return path.parts[0], path.parts[2]


def lines(path: PurePosixPath, agreement: Agreement) -> list[str]:
    """One line on a run that agrees; on one that does not, a line for everything that differs."""
    problems = [f"  {Problem(str(path), *wrong)}" for wrong in agreement.wrong]
    share = {name: gap / agreement.limits[name] for name, gap in agreement.differences.items()}
    worst = max(share, key=lambda name: share[name], default=None)
    what = "" if problems else "; no value differs"
    if not problems and worst is not None and share[worst] > 0:
        of = "a value" if agreement.kind == "bit for bit" else "the mean"
        gap, limit = agreement.differences[worst], agreement.limits[worst]
        what = f"; nearest to its tolerance is {of} of {worst}: {gap:.3g} apart, {limit:.3g} allowed"
    verdict = "does not agree" if problems else f"agrees {agreement.kind}"
    return [f"{path}: {verdict}{what}", *problems, *(f"  note: {note}" for note in agreement.notes)]


def _recomputed(agreement: Agreement, result: Result) -> Recomputed:
    """A mark's record of a run that agrees."""
    origin = result.provenance
    return Recomputed(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=origin.device,
        processor=str(origin.hardware.get("processor", "not recorded")),
        torch=origin.packages.get("torch", "not recorded"),
        agreement=agreement.kind,
        differences=dict(agreement.differences),
    )
