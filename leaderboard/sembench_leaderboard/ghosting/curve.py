"""Ghosted against trained prototypes: one curve per explainer, one point per entry.

References:
    Gautam et al.: Prototypical Self-Explainable Models Without Re-training, TMLR 2024, Fig. 5a.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sembench.errors import SembenchError
from sembench.results.result import Result
from sembench.results.score import NotApplicable, Scored
from sembench_leaderboard.entries.grouping import by_dataset, by_suite
from sembench_leaderboard.entries.selection import name_of

METRIC = "ghosting"
_COUNT = "prototypes_per_class"  # the hyper-parameter that runs along a curve

# What all entries of a curve share: the explainer, and every other hyper-parameter with its value as JSON.
Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Point:
    """One entry with one number of trained prototypes, over its seeds.

    Attributes:
        prototypes: Number of trained prototypes, P.
        ghosted: Number of ghosted prototypes for each seed, from 0 (best) to P (worst).
        accuracies: Test accuracy for each seed, from 0 to 1; empty unless every seed has it.
    """

    entry: str
    prototypes: int
    seeds: tuple[int, ...]
    ghosted: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean number of ghosted prototypes over seeds."""
        return fmean(self.ghosted)


@dataclass(frozen=True)
class Comparison:
    """The curves of one suite on one data set.

    Attributes:
        curves: Points in the order of P, by the curve's label; labels are the same on all data sets of a suite.
        left_out: Why an entry is on no curve, by its label.
        definition: What a ghosted prototype is, in the words of the metric.
    """

    suite: str
    dataset: str
    curves: Mapping[str, Sequence[Point]]
    left_out: Mapping[str, str]
    definition: str


def comparisons(results: Iterable[Result]) -> list[Comparison]:
    """The curves of every suite and data set on which ghosting was scored, in alphabetical order.

    Raises:
        SembenchError: If no result has a ghosting score.
    """
    suites, found = by_suite(results), []
    for own in suites.values():
        labels = _labels({_key(result) for result in own if _values(result, METRIC)})
        for runs in by_dataset(own).values():
            if any(_values(run, METRIC) for run in runs):
                found.append(_comparison(runs, labels))
    if not found:
        raise SembenchError(_nothing_scored([result for own in suites.values() for result in own]))
    return found


def _comparison(runs: Sequence[Result], labels: Mapping[Key, str]) -> Comparison:
    """The curves of one data set; runs are ordered by seed within an entry."""
    groups: dict[tuple[str, int, str], list[Result]] = {}
    for run in runs:
        if values := _values(run, METRIC):
            groups.setdefault((labels[_key(run)], len(values), run.explainer), []).append(run)
    curves: dict[str, list[Point]] = {}
    for (label, prototypes, entry), own in sorted(groups.items(), key=lambda item: item[0]):
        seeds, ghosted = tuple(run.seed for run in own), tuple(sum(_values(run, METRIC)) for run in own)
        known = tuple(fmean(values) for run in own if (values := _values(run, "accuracy")))
        point = Point(entry, prototypes, seeds, ghosted, known if len(known) == len(own) else ())
        curves.setdefault(label, []).append(point)
    note = next(run.scores[METRIC].measure.note for run in runs if METRIC in run.scores)
    return Comparison(runs[0].suite, runs[0].dataset, curves, _left_out(runs), note)


def _values(result: Result, metric: str) -> tuple[float, ...]:
    """One score per unit; none where the metric does not apply or was not measured."""
    score = result.scores.get(metric)
    return score.values if isinstance(score, Scored) else ()


def _key(result: Result) -> Key:
    """The curve that a result lies on; the name of a control says that it is one."""
    name = name_of(result) + " (control)" * (result.kind == "control")
    others = {key: value for key, value in result.hyperparameters.items() if key != _COUNT}
    return name, frozenset((key, json.dumps(value, sort_keys=True)) for key, value in others.items())


def _labels(keys: Collection[Key]) -> dict[Key, str]:
    """The explainer's name; if it has several curves, with the hyper-parameters that not all of them share."""
    labels = {}
    for name, settings in keys:
        shared = frozenset.intersection(*(others for other, others in keys if other == name))
        own = ", ".join(f"{key} = {value}" for key, value in sorted(settings - shared)).replace('"', "")
        labels[name, settings] = f"{name} ({own})" if own else name
    return labels


def _left_out(runs: Iterable[Result]) -> dict[str, str]:
    """Entries without a ghosting score, each with the reason."""
    reasons = {}
    for run in runs:
        score = run.scores.get(METRIC)
        if not isinstance(score, Scored):
            reasons[run.explainer] = score.reason if isinstance(score, NotApplicable) else "ghosting was not measured"
    return reasons


def _nothing_scored(results: Sequence[Result]) -> str:
    suites = ", ".join(sorted({result.suite for result in results})) or "none"
    reasons = "; ".join(f"{entry}: {reason}" for entry, reason in _left_out(results).items())
    return (
        f"looked for the metric {METRIC!r} in {len(results)} results (suites: {suites}), none has a score of it"
        f"{f' ({reasons})' if reasons else ''}. Run a suite that measures it on explainers with prototypes, e.g. "
        "`sembench run --suite prototypes`, or name another folder with --results."
    )
