"""Comparison of a submission with its suite: no data set, seed, metric or setting is dropped, added or changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sembench.results.result import Result, digest
from sembench.suites.plan import plan
from sembench.suites.suite import Suite
from sembench_leaderboard.entries.settings import known_suite
from sembench_leaderboard.submission.problem import Problem, Results, Wrong


def incomplete(results: Results, suites: Mapping[str, Suite], there: Collection[PurePosixPath]) -> Iterator[Problem]:
    """Everything that is missing of the suites that results claim to belong to, and everything that does not belong.

    ``suites`` are those that do not come with sembench; a file that is ``there``, but broken, is not missing.
    """
    claimed: dict[tuple[str, str], dict[PurePosixPath, Result]] = {}
    for path, result in results.items():
        claimed.setdefault((result.suite, result.explainer), {})[path] = result
    for (name, entry), own in claimed.items():
        suite = suites.get(name) or known_suite(name)
        if suite is None:
            remedy = "Name its file with --suite, or submit results of a suite that comes with sembench."
            yield Problem(str(next(iter(own))), "suite", f"no suite {name!r} comes with sembench", remedy)
        else:
            yield from _entry(suite, entry, own, there)
            yield from _applicability(own)


def _applicability(own: Results) -> Iterator[Problem]:
    """Whether a metric applies is decided before anything is computed, so it is the same for every seed."""
    first: dict[tuple[str, str], tuple[PurePosixPath, str]] = {}
    for path, result in own.items():
        for name, score in result.scores.items():
            where, status = first.setdefault((result.dataset, name), (path, score.status))
            if status != score.status:
                text = f"is {score.status!r}, but {status!r} in {where}: a metric applies to all seeds or to none"
                yield Problem(str(path), f"scores.{name}.status", text, "Compute both runs again, with one version.")


def _entry(suite: Suite, entry: str, own: Results, there: Collection[PurePosixPath]) -> Iterator[Problem]:
    asked = {PurePosixPath(run.path(Path())): run for run in plan(suite, explainers=[entry])}
    listed = any(spec.entry == entry for spec in suite.explainers)
    for path, run in asked.items():
        if path in own:
            for wrong in _settings(suite, run.settings, own[path], listed=listed):
                yield Problem(str(path), *wrong)
        elif path not in there:
            field = "seed" if any(result.dataset == run.dataset for result in own.values()) else "dataset"
            text = f"is missing: the suite {suite.name} asks for {run.dataset!r} with seed {run.seed}"
            yield Problem(str(path), field, text, f"Run `sembench submit {entry} --suite {suite.name}`.")
    for path, result in own.items():
        if path not in asked:
            field = "seed" if any(run.dataset == result.dataset for run in asked.values()) else "dataset"
            text = f"the suite {suite.name} does not ask for {result.dataset!r} with seed {result.seed}"
            yield Problem(str(path), field, text, "Leave the file out, or submit it under a suite of its own.")


def _settings(suite: Suite, asked: Mapping[str, Any], result: Result, *, listed: bool) -> Iterator[Wrong]:
    """Settings other than the suite's; an entry that the suite does not list brings an explainer of its own."""
    remedy = f"Compute the run again with `sembench submit {result.explainer} --suite {suite.name}`, as it stands."
    for key in sorted({*asked, *result.settings}):
        if key == "explainer" and not listed:
            continue
        wanted, given = asked.get(key), result.settings.get(key)
        if digest({key: wanted}) != digest({key: given}):
            field, mine, theirs = _where(f"settings.{key}", wanted, given)
            yield Wrong(field, f"is {theirs!r}, but the suite {suite.name} asks for {mine!r}", remedy)
    metrics = asked["metrics"]
    for name in metrics:
        if name not in result.scores:
            yield Wrong(f"scores.{name}", f"is missing: the suite {suite.name} asks for it", remedy)
    for name in result.scores:
        if name not in metrics:
            yield Wrong(f"scores.{name}", f"the suite {suite.name} does not ask for it", remedy)


def _where(field: str, wanted: Any, given: Any) -> tuple[str, Any, Any]:
    """The first place where two settings differ."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        for key in sorted({*wanted, *given}):
            if key not in wanted or key not in given or wanted[key] != given[key]:
                return _where(f"{field}.{key}", wanted.get(key), given.get(key))
    return field, wanted, given
