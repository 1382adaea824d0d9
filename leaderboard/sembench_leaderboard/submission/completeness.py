"""Is everything there that the suite asks for, and as it asks for it? No dropped data set, seed, metric or setting."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sembench.errors import SembenchError
from sembench.results.result import Result, digest
from sembench.suites.plan import plan
from sembench.suites.suite import Suite, load_suite
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.strict_json import Wrong

Read = tuple[PurePosixPath, Result]


def incomplete(
    results: Sequence[Read], suites: Mapping[str, Suite], unread: Collection[PurePosixPath] = ()
) -> Iterator[Complaint]:
    """What is missing of the suites that results claim to belong to, entry by entry, and what does not belong to them.

    Args:
        results: Results with their paths.
        suites: Suites that do not come with sembench, by name.
        unread: Files of results that are there, but broken: they are not missing.
    """
    claimed: dict[tuple[str, str], list[Read]] = {}
    for path, result in results:
        claimed.setdefault((result.suite, result.explainer), []).append((path, result))
    for (name, entry), own in claimed.items():
        suite = suites.get(name) or _known(name)
        if suite is None:
            remedy = "Name its file with --suite, or submit results of a suite that comes with sembench."
            yield Complaint(str(own[0][0]), "suite", f"no suite {name!r} comes with sembench", remedy)
        else:
            yield from _entry(suite, entry, own, unread)
            yield from _applicability(own)


def _known(name: str) -> Suite | None:
    try:
        return None if name.endswith(".toml") or "/" in name else load_suite(name)
    except SembenchError:
        return None


def _applicability(own: Sequence[Read]) -> Iterator[Complaint]:
    """Whether a metric applies is decided before anything is computed, so it is the same for every seed."""
    first: dict[tuple[str, str], tuple[PurePosixPath, str]] = {}
    for path, result in own:
        for name, score in result.scores.items():
            where, status = first.setdefault((result.dataset, name), (path, score.status))
            if status != score.status:
                text = f"is {score.status!r}, but {status!r} in {where}: a metric applies to all seeds or to none"
                yield Complaint(str(path), f"scores.{name}.status", text, "Compute both cells again, with one version.")


def _entry(suite: Suite, entry: str, own: Sequence[Read], unread: Collection[PurePosixPath]) -> Iterator[Complaint]:
    there = {(result.dataset, result.seed): (path, result) for path, result in own}
    asked = {(cell.dataset, cell.seed): cell for cell in plan(suite, explainers=[entry])}
    listed = any(spec.entry == entry for spec in suite.explainers)
    for (dataset, seed), cell in asked.items():
        if (dataset, seed) not in there:
            missing = f"{suite.name}/{dataset}/{entry}/seed-{seed}.json"
            if PurePosixPath(missing) in unread:
                continue
            field = "seed" if any(name == dataset for name, _ in there) else "dataset"
            text = f"is missing: the suite {suite.name} asks for {dataset!r} with seed {seed}"
            yield Complaint(missing, field, text, f"Run `sembench submit {entry} --suite {suite.name}`.")
            continue
        path, result = there[dataset, seed]
        for wrong in _settings(suite, cell.settings, result, listed=listed):
            yield Complaint(str(path), *wrong)
    for (dataset, seed), (path, _) in there.items():
        if (dataset, seed) not in asked:
            field = "seed" if any(name == dataset for name, _ in asked) else "dataset"
            text = f"the suite {suite.name} does not ask for {dataset!r} with seed {seed}"
            yield Complaint(str(path), field, text, "Leave the file out, or submit it under a suite of its own.")


def _settings(suite: Suite, asked: Mapping[str, Any], result: Result, *, listed: bool) -> Iterator[Wrong]:
    """Settings other than the suite's; an entry that the suite does not list brings an explainer of its own."""
    remedy = f"Compute the cell again with `sembench submit {result.explainer} --suite {suite.name}`, as it stands."
    for key in sorted({*asked, *result.settings}):
        if key == "explainer" and not listed:
            continue
        wanted, given = asked.get(key), result.settings.get(key)
        if digest({key: wanted}) != digest({key: given}):
            field, mine, theirs = _where(f"settings.{key}", wanted, given)
            yield field, f"is {theirs!r}, but the suite {suite.name} asks for {mine!r}", remedy
    metrics = asked["metrics"]
    for name in metrics:
        if name not in result.scores:
            yield f"scores.{name}", f"is missing: the suite {suite.name} asks for it", remedy
    for name in result.scores:
        if name not in metrics:
            yield f"scores.{name}", f"the suite {suite.name} does not ask for it", remedy


def _where(field: str, wanted: Any, given: Any) -> tuple[str, Any, Any]:
    """The first place where two settings differ."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        for key in sorted({*wanted, *given}):
            if key not in wanted or key not in given or wanted[key] != given[key]:
                return _where(f"{field}.{key}", wanted.get(key), given.get(key))
    return field, wanted, given
