"""Results in their order on every board and page: by suite, data set, explainer and seed."""

from __future__ import annotations

from collections.abc import Iterable

from sembench.results.result import Result


def by_suite(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each suite in order, suites in alphabetical order."""
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: (r.suite, r.dataset, r.explainer, r.seed)):
        groups.setdefault(result.suite, []).append(result)
    return groups


def by_dataset(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results on each data set of one suite in order, data sets in alphabetical order."""
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: (r.dataset, r.explainer, r.seed)):
        groups.setdefault(result.dataset, []).append(result)
    return groups
