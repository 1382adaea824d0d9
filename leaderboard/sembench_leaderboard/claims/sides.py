"""The two sides of each comparison that a claim asks for, found among the results of one data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import Along, Claim
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.selection import NOT_RUN, Method, Missing, Selected, find, name_of

Runs = Sequence[Result]


@dataclass(frozen=True)
class Side:
    """What stands on one side of a comparison: an entry, or why there is none.

    Attributes:
        label: Label of the entry; the method's title where there is none.
    """

    label: str
    found: Selected | Missing


def side(wanted: Method, runs: Runs) -> Side:
    """The entry of a method."""
    own = find(wanted, runs)
    return Side(wanted.title if isinstance(own, Missing) else own.label, own)


def sides(claim: Claim, runs: Runs) -> list[tuple[Side, Side | None]]:
    """Every pair that a claim compares on one data set, at least one."""
    if claim.along is None:
        wanted = _pairs(claim)
        return [(side(first, runs), side(second, runs) if second else None) for first, second in wanted]
    return list(_along(claim, claim.along, runs))


def _pairs(claim: Claim) -> list[tuple[Method, Method | None]]:
    if claim.second == claim.first:
        return list(combinations(claim.first, 2))
    return [(first, second) for first in claim.first for second in claim.second or (None,)]


def _along(claim: Claim, along: Along, runs: Runs) -> Iterator[tuple[Side, Side | None]]:
    for methods in _pairs(claim):
        titles = [wanted.title for wanted in methods if wanted]
        curves = [entries_along(wanted, along, runs) for wanted in methods if wanted]
        missing = [curve for curve in curves if isinstance(curve, Missing)]
        found = [curve for curve in curves if not isinstance(curve, Missing)]
        pairs = [] if missing else list(_between(found, along))
        nothing = Missing(f"{' and '.join(titles)} have no value of {along.parameter} in common")
        yield from pairs or [(Side(titles[0], missing[0] if missing else nothing), None)]


def _between(curves: Sequence[dict[int, Side]], along: Along) -> Iterator[tuple[Side, Side | None]]:
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


def entries_along(wanted: Method, along: Along, runs: Runs) -> dict[int, Side] | Missing:
    """The entries of a method by the value of a hyper-parameter, ascending; two at least.

    They share all other hyper-parameters; in a conversion the same one may vary in the model that it is made of. Of
    several such groups it is that of the plain entry, which bears the method's name as label.
    """
    own = [run for name in wanted.names for run in runs if name_of(run) == name and _value(run, along) is not None]
    curves = [_by_value(group, along) for group in gathered(own, lambda run: _others(run, along)).values()]
    plain = [curve for curve in curves if any(entry.label in wanted.names for entry in curve.values())]
    several = [curve for curve in plain or curves if len(curve) > 1]
    if len(several) != 1:
        groups = f"{len(several)} groups of entries are {wanted.title}; label the plain one {wanted.names[0]}"
        return Missing(groups if several else f"{NOT_RUN}{wanted.title} with several values of {along.parameter}")
    return several[0]


def _by_value(runs: Runs, along: Along) -> dict[int, Side]:
    entries = gathered(
        sorted(runs, key=lambda run: (_value(run, along), run.explainer, run.seed)), lambda r: r.explainer
    )
    sides = [(_value(own[0], along), Side(label, Selected(tuple(own)))) for label, own in entries.items()]
    return {value: side for value, side in sides if value is not None}


def _value(run: Result, along: Along) -> int | None:
    value = run.hyperparameters.get(along.parameter)
    return value if isinstance(value, int) and value >= along.least else None


def _others(run: Result, along: Along) -> str:
    """All other hyper-parameters, those of a conversion's model too."""
    others = {key: value for key, value in run.hyperparameters.items() if key != along.parameter}
    base = others.get("base")
    if isinstance(base, dict):
        others["base"] = {key: value for key, value in base.items() if key != along.parameter}
    return json.dumps(others, sort_keys=True)
