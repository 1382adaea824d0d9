"""The Pareto set over the five measures of a profile: the methods that no other one dominates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sembench_leaderboard.entries.entry import Entry
from sembench_leaderboard.entries.profile import AXES
from sembench_leaderboard.statistics.digits import comparable


@dataclass(frozen=True)
class Pareto:
    """Who dominates whom.

    Attributes:
        dominated_by: For each method with all five measures, those that are at least as good on every one of them and
            better on one; nothing for a member of the Pareto set.
        lacking: For every other method, the metrics that it lacks.
    """

    dominated_by: dict[str, tuple[str, ...]]
    lacking: dict[str, tuple[str, ...]]


def pareto(entries: Sequence[Entry]) -> Pareto:
    """The Pareto set of the explainers of one suite, of means over seeds and over the data sets of these entries.

    Values are compared in the metrics' own units, to 7 decimals; a method has a metric if it has it on every data set.
    """
    names = dict.fromkeys(entry.explainer for entry in entries if entry.kind == "explainer")
    datasets = {entry.dataset for entry in entries}
    means = {name: _means([e for e in entries if e.explainer == name], len(datasets)) for name in names}
    whole = {name: tuple(own.values()) for name, own in means.items() if len(own) == len(AXES)}
    dominated = {
        name: tuple(other for other, theirs in whole.items() if _dominates(theirs, own)) for name, own in whole.items()
    }
    lacking = {
        name: tuple(axis.metric for axis in AXES if axis.metric not in own)
        for name, own in means.items()
        if name not in whole
    }
    return Pareto(dominated, lacking)


def _means(entries: Sequence[Entry], datasets: int) -> Mapping[str, float]:
    """The metrics of the radar that one method has on all data sets, larger is better."""
    found = {}
    for axis in AXES:
        own = [(e.value, e.measure.direction) for e in entries if e.metric == axis.metric]
        values = [value if direction == "higher" else -value for value, direction in own if value is not None]
        if len(values) == datasets:
            found[axis.metric] = comparable([fmean(values)])[0]
    return found


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return first != second and all(a >= b for a, b in zip(first, second, strict=True))
