"""Measures against the number of trained prototypes: one curve per explainer, one point per entry.

References:
    Gautam et al.: Prototypical Self-Explainable Models Without Re-training, TMLR 2024, section 4.4 and Fig. 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sembench.errors import SembenchError
from sembench.results.result import Result
from sembench.results.score import Measure, NotApplicable, Scored
from sembench_leaderboard.entries.entry import converted
from sembench_leaderboard.entries.grouping import by_dataset, by_suite, gathered
from sembench_leaderboard.entries.selection import name_of, others


@dataclass(frozen=True)
class Quantity:
    """What is drawn against prototypes; ``of`` leads from one score per prototype or attribute to a run's number."""

    metric: str
    title: str
    of: Callable[[Sequence[float]], float]

    def text(self, number: float) -> str:
        """A number as printed: sums count things, whose means over seeds have one decimal."""
        if self.of is sum:
            return f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}"
        return f"{number:.3f}"


QUANTITIES = (
    Quantity("ghosting", "ghosted prototypes", sum),
    Quantity("attributes_captured", "captured attributes", sum),
    Quantity("attribute_correlation", "error of attribute correlations", fmean),
)
_COUNT = "prototypes_per_class"  # the hyper-parameter that runs along a curve

# What all entries of a curve share: the explainer, and every other hyper-parameter with its value as JSON.
Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Point:
    """One entry with one number of trained prototypes, over its seeds.

    Attributes:
        prototypes: Number of trained prototypes, P.
        values: The quantity for each seed.
        accuracies: Test accuracy for each seed, from 0 to 1; empty unless every seed has it.
    """

    entry: str
    prototypes: int
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return fmean(self.values)


@dataclass(frozen=True)
class Part:
    """The curves of one quantity.

    Attributes:
        curves: Points in the order of P, by the curve's label; labels are the same on all data sets of a suite.
        left_out: Why an entry is on no curve, by its label.
        measure: What the metric declares.
        units: Scores per run, which a sum of them does not exceed; for prototypes the largest number.
    """

    quantity: Quantity
    curves: Mapping[str, Sequence[Point]]
    left_out: Mapping[str, str]
    measure: Measure
    units: int


@dataclass(frozen=True)
class Comparison:
    """The quantities that were scored in one suite on one data set, in the order of `QUANTITIES`.

    Attributes:
        conversions: Labels of the curves of entries that convert another one, or would (KMEx of the black box, where
            there is KMEx of another model).
    """

    suite: str
    dataset: str
    parts: Sequence[Part]
    conversions: Collection[str] = ()

    @property
    def labels(self) -> list[str]:
        """Labels of all curves, in alphabetical order."""
        return sorted({label for part in self.parts for label in part.curves})


def comparisons(results: Iterable[Result]) -> list[Comparison]:
    """The curves of every suite and data set on which a quantity was scored, in alphabetical order.

    Raises:
        SembenchError: If no result has a score of any.
    """
    suites, found = by_suite(results), []
    for own in suites.values():
        labels = _labels({_key(run) for run in own if any(_lack(q, run) is None for q in QUANTITIES)})
        converters = {name_of(run).partition("(")[0] for run in own if converted(run)}
        made = [run for run in own if converted(run) is not None or name_of(run) in converters]
        conversions = {labels[key] for run in made if (key := _key(run)) in labels}
        for name, runs in by_dataset(own).items():
            scored = [q for q in QUANTITIES if any(_lack(q, run) is None for run in runs)]
            if scored:
                parts = [_part(quantity, runs, labels) for quantity in scored]
                found.append(Comparison(runs[0].suite, name, parts, conversions))
    if not found:
        raise SembenchError(_nothing_scored([result for own in suites.values() for result in own]))
    return found


def _part(quantity: Quantity, runs: Sequence[Result], labels: Mapping[Key, str]) -> Part:
    """The curves of one data set; runs are ordered by seed within an entry."""
    scored = (run for run in runs if _lack(quantity, run) is None)
    groups = gathered(scored, lambda run: (labels[_key(run)], _prototypes(run), run.explainer))
    curves: dict[str, list[Point]] = {}
    for (label, prototypes, entry), own in sorted(groups.items(), key=lambda item: item[0]):
        values = tuple(quantity.of(_values(run, quantity.metric)) for run in own)
        known = tuple(fmean(scores) for run in own if (scores := _values(run, "accuracy")))
        seeds = tuple(run.seed for run in own)
        point = Point(entry, prototypes, seeds, values, known if len(known) == len(own) else ())
        curves.setdefault(label, []).append(point)
    left_out = {run.explainer: why for run in runs if (why := _lack(quantity, run)) is not None}
    measure = next(run.scores[quantity.metric].measure for run in runs if quantity.metric in run.scores)
    return Part(quantity, curves, left_out, measure, max(len(_values(run, quantity.metric)) for run in runs))


def _values(result: Result, metric: str) -> tuple[float, ...]:
    """One score per unit; none where the metric does not apply or was not measured."""
    score = result.scores.get(metric)
    return score.values if isinstance(score, Scored) else ()


def _prototypes(result: Result) -> int:
    """Number of trained prototypes, as the scores tell that have one for each; 0 where none has."""
    scores = (score for score in result.scores.values() if isinstance(score, Scored))
    return next((len(score.values) for score in scores if score.measure.per == "prototype"), 0)


def _lack(quantity: Quantity, run: Result) -> str | None:
    """Why a run is on no curve."""
    score = run.scores.get(quantity.metric)
    if isinstance(score, Scored):
        return None if _prototypes(run) else "no score tells how many prototypes it has; measure ghosting"
    return score.reason if isinstance(score, NotApplicable) else f"{quantity.metric} was not measured"


def _key(result: Result) -> Key:
    """The curve that a result lies on; the name of a control says that it is one."""
    name = name_of(result) + " (control)" * (result.kind == "control")
    return name, others(_COUNT, result)


def _labels(keys: Collection[Key]) -> dict[Key, str]:
    """The explainer's name; if it has several curves, with the hyper-parameters that not all of them share."""
    labels = {}
    for name, settings in keys:
        shared = frozenset.intersection(*(theirs for other, theirs in keys if other == name))
        own = ", ".join(f"{key} = {value}" for key, value in sorted(settings - shared)).replace('"', "")
        labels[name, settings] = f"{name} ({own})" if own else name
    return labels


def _nothing_scored(results: Sequence[Result]) -> str:
    suites = ", ".join(sorted({result.suite for result in results})) or "none"
    wanted = ", ".join(repr(quantity.metric) for quantity in QUANTITIES)
    reasons = "; ".join({f"{run.explainer}: {why}": None for run in results if (why := _lack(QUANTITIES[0], run))})
    return (
        f"looked for the metrics {wanted} in {len(results)} results (suites: {suites}), none has a score of them"
        f"{f' ({reasons})' if reasons else ''}. Run a suite that measures one on explainers with prototypes, e.g. "
        "`sembench run --suite open-prototypes`, or name another folder with --results."
    )
