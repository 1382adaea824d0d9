"""The two sides of each comparison that a claim asks for, found among the results of one data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import Along, Claim
from sembench_leaderboard.entries.grouping import Runs, gathered
from sembench_leaderboard.entries.selection import NOT_RUN, Found, Method, Missing, Selected, find, name_of, others


def sides(claim: Claim, runs: Runs) -> list[tuple[Found, Found | None]]:
    """Every pair that a claim compares on one data set, at least one."""
    if claim.along is None:
        wanted = _pairs(claim)
        return [(find(first, runs), find(second, runs) if second else None) for first, second in wanted]
    return list(_along(claim, claim.along, runs))


def _pairs(claim: Claim) -> list[tuple[Method, Method | None]]:
    if claim.second == claim.first:
        return list(combinations(claim.first, 2))
    return [(first, second) for first in claim.first for second in claim.second or (None,)]


def _along(claim: Claim, along: Along, runs: Runs) -> Iterator[tuple[Found, Found | None]]:
    for methods in _pairs(claim):
        titles = [wanted.title for wanted in methods if wanted]
        curves = [entries_along(wanted, along, runs) for wanted in methods if wanted]
        missing = [curve for curve in curves if isinstance(curve, Missing)]
        found = [curve for curve in curves if not isinstance(curve, Missing)]
        pairs = [] if missing else list(_between(found, along))
        nothing = Missing(f"{' and '.join(titles)} have no value of {along.parameter} in common")
        yield from pairs or [(replace(missing[0] if missing else nothing, label=titles[0]), None)]


def _between(curves: Sequence[dict[int, Selected]], along: Along) -> Iterator[tuple[Found, Found | None]]:
    """Pairs within the only curve, the larger value first, or between two at their common values."""
    first, second = curves[0], curves[-1]
    if along.pairs in ("same", "ends"):
        common = [value for value in first if value in second]
        for value in dict.fromkeys(common[:1] + common[-1:]) if along.pairs == "ends" else common:
            yield first[value], second[value] if len(curves) > 1 else None
        return
    entries = list(first.values())
    chosen = {"all": combinations(entries, 2), "steps": pairwise(entries), "extremes": [(entries[0], entries[-1])]}
    yield from ((larger, smaller) for smaller, larger in chosen[along.pairs])


def entries_along(wanted: Method, along: Along, runs: Runs) -> dict[int, Selected] | Missing:
    """The entries of a method by the value of a hyper-parameter, ascending; two at least.

    They share all other hyper-parameters; in a conversion the same one may vary in the model that it is made of. Of
    several such groups it is that of the plain entry, which bears the method's name as label.
    """
    own = [run for name in wanted.names for run in runs if name_of(run) == name and _value(run, along) is not None]
    curves = [_by_value(group, along) for group in gathered(own, partial(others, along.parameter)).values()]
    plain = [curve for curve in curves if any(entry.label in wanted.names for entry in curve.values())]
    several = [curve for curve in plain or curves if len(curve) > 1]
    if len(several) != 1:
        groups = f"{len(several)} groups of entries are {wanted.title}; label the plain one {wanted.names[0]}"
        return Missing(groups if several else f"{NOT_RUN}{wanted.title} with several values of {along.parameter}")
    return several[0]


def _by_value(runs: Runs, along: Along) -> dict[int, Selected]:
    ordered = sorted(runs, key=lambda run: (_value(run, along), run.explainer, run.seed))
    entries = gathered(ordered, lambda run: run.explainer).values()
    return {value: Selected(tuple(own)) for own in entries if (value := _value(own[0], along)) is not None}


def _value(run: Result, along: Along) -> int | None:
    value = run.hyperparameters.get(along.parameter)
    return value if isinstance(value, int) and value >= along.least else None
