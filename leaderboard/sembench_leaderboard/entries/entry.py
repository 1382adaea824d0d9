"""Rows of the board: one explainer on one data set under one metric, over all seeds; and their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sembench.errors import ResultsMixed
from sembench.results.result import Kind, Result
from sembench.results.score import Measure, NotApplicable, Scored
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.statistics.bootstrap import bootstrap

# The black box first, then what is compared, then the entries with a known answer.
KINDS: tuple[Kind, ...] = ("reference", "explainer", "control")

# Columns in this order; metrics that are not named here follow in alphabetical order.
COLUMNS = (
    "accuracy", "accuracy_gap", "accuracy_train", "lrp_kl", "ro_auroc", "ro_auroc_gain",
    "ghosting", "diversity", "alignment_class", "alignment_out",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One explainer on one data set under one metric, over all its seeds.

    Attributes:
        seeds: The seeds that went in, ascending.
        reason: Why the metric does not apply; ``None`` where it does.
        of: Which explainer this entry converts, without training it again; ``None`` for all others.
        value: Mean over seeds of the means over units; ``None`` where the metric does not apply.
        low: Lower end of the 95 % interval, widened for few seeds, and ``high`` its upper one.
        chance: Chance level, averaged like the value; ``None`` where the metric knows none.
        levels: Further levels to read the value by, averaged like it, by name.
        note: What is particular to the scores of this entry, in a sentence; empty where nothing is.
        variants: Means under other definitions of the metric, averaged like the value.
        units: Distinct units: those that all seeds share where crossed, else the sum over seeds.
        crossed: Whether all seeds scored the same units.
    """

    suite: str
    dataset: str
    explainer: str
    kind: Kind
    metric: str
    measure: Measure
    seeds: tuple[int, ...]
    reason: str | None
    of: str | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    variants: Mapping[str, float] = field(default_factory=dict)
    units: int = 0
    crossed: bool = False

    @property
    def role(self) -> str:
        """``reference``, ``explainer``, ``conversion`` (an explainer made of another one) or ``control``."""
        return "conversion" if self.of is not None else self.kind

    @property
    def status(self) -> str:
        """``scored`` or ``not applicable``."""
        return "scored" if self.reason is None else "not applicable"


def by_method(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """The entries of each explainer on each data set, in order of appearance."""
    return gathered(entries, lambda entry: (entry.dataset, entry.explainer))


def column(metric: str) -> tuple[int, str]:
    """Sort key of a metric's column."""
    return (COLUMNS.index(metric) if metric in COLUMNS else len(COLUMNS), metric)


def aggregate(results: Iterable[Result]) -> tuple[Entry, ...]:
    """One entry per suite, data set, explainer and metric, from results in any order.

    Returns:
        Entries ordered by suite and data set, then reference, explainers, controls, then name, then metric.

    Raises:
        ResultsMixed: If a metric applies, or has its chance level or another one, in some seeds of an entry only, or
            has a variant that the other seeds were not asked for. One that is undefined for some of the models is left
            out.
    """
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, KINDS.index(r.kind), r.explainer, r.seed))
    entries = []
    # Many small matrix products: threads cost more than they bring, most of all on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        for _, group in groupby(ordered, key=lambda r: (r.suite, r.dataset, r.explainer)):
            runs = list(group)
            metrics = {name for run in runs for name in run.scores}
            entries += [_entry(metric, runs) for metric in sorted(metrics, key=column)]
    return tuple(entries)


def _entry(metric: str, runs: Sequence[Result]) -> Entry:
    scores = [run.scores.get(metric) for run in runs]
    scored = [score for score in scores if isinstance(score, Scored)]
    reasons = sorted({score.reason for score in scores if isinstance(score, NotApplicable)})
    _refuse_some("a score", metric, runs, [isinstance(score, Scored) for score in scores])
    _refuse_some("a reason why there is no score", metric, runs, [score is not None for score in scores])
    first, measure = runs[0], next(score.measure for score in scores if score is not None)
    return Entry(
        suite=first.suite,
        dataset=first.dataset,
        explainer=first.explainer,
        kind=first.kind,
        metric=metric,
        measure=measure,
        seeds=tuple(run.seed for run in runs),
        reason=None if scored else "; ".join(reasons),
        of=converted(first),
        **(_numbers(metric, runs, scored) if scored else {}),
    )


def converted(result: Result) -> str | None:
    """Which explainer an entry converts: its hyper-parameters name it, and hold its own under ``base``."""
    of = result.hyperparameters.get("of")
    return of if isinstance(of, str) and "base" in result.hyperparameters else None


def _numbers(metric: str, runs: Sequence[Result], scores: Sequence[Scored]) -> dict[str, Any]:
    """The fields of an entry that are computed from scores."""
    values = [np.array(score.values) for score in scores]
    crossed = same_units(metric, runs, scores)
    measure = scores[0].measure
    interval = bootstrap(values, crossed=crossed, names=(runs[0].suite,), lower=measure.lower, upper=measure.upper)
    _refuse_some("a chance level", metric, runs, [score.chance is not None for score in scores])
    chances = [np.mean(score.chance) for score in scores if score.chance is not None]
    levels = sorted({name for score in scores for name in score.levels})
    for name in levels:
        _refuse_some(f"the level {name!r}", metric, runs, [name in score.levels for score in scores])
    return {
        **vars(interval),
        "chance": float(np.mean(chances)) if chances else None,
        "levels": {name: _mean(score.levels[name] for score in scores) for name in levels},
        "note": "; ".join(sorted({score.note for score in scores if score.note})),
        "variants": {name: _mean(score.variants[name] for score in scores) for name in _variants(metric, runs, scores)},
        "units": len(values[0]) if crossed else sum(map(len, values)),
        "crossed": crossed,
    }


def _mean(series: Iterable[Sequence[float]]) -> float:
    """Mean over seeds of the means over units."""
    return float(np.mean([np.mean(own) for own in series]))


def _variants(metric: str, runs: Sequence[Result], scores: Sequence[Scored]) -> list[str]:
    """Variants that every seed has. Raises `ResultsMixed` if one is missing in a seed that was not asked for it.

    A variant may be undefined for a model: there is no diversity within a class of one prototype, and FLINT's training
    decides how many a class gets.
    """
    names = sorted({name for score in scores for name in score.variants})
    for name in names:
        has = [
            name in score.variants or bool(run.evaluation.get("variants"))
            for run, score in zip(runs, scores, strict=True)
        ]
        _refuse_some(f"variant {name!r}", metric, runs, has)
    return [name for name in names if all(name in score.variants for score in scores)]


def same_units(metric: str, runs: Sequence[Result], scores: Sequence[Scored]) -> bool:
    """Whether position ``u`` is the same unit in every seed. Raises `ResultsMixed` if images are missing in one."""
    per, sizes = scores[0].measure.per, [len(score.values) for score in scores]
    if per == "prototype" or (per == "explained image" and len({run.explained_images for run in runs}) > 1):
        return False
    if len(set(sizes)) > 1:
        counts = ", ".join(f"{size} in seed {run.seed}" for size, run in zip(sizes, runs, strict=True))
        raise ResultsMixed(f"{_name(metric, runs)} has different numbers of {per}s: {counts}. Compute it again.")
    return True


def _refuse_some(what: str, metric: str, runs: Sequence[Result], has: Sequence[bool]) -> None:
    """Raises `ResultsMixed` if some seeds have it and others do not."""
    if any(has) and not all(has):
        have = ", ".join(str(run.seed) for run, it in zip(runs, has, strict=True) if it)
        lack = ", ".join(str(run.seed) for run, it in zip(runs, has, strict=True) if not it)
        raise ResultsMixed(
            f"{_name(metric, runs)} has {what} in seed {have} but not in seed {lack}; a mean over some seeds "
            "only would mislead. Compute these seeds again with the same settings (`sembench run --refresh`)."
        )


def _name(metric: str, runs: Sequence[Result]) -> str:
    return f"{metric} of {runs[0].explainer} on {runs[0].dataset} (suite {runs[0].suite})"
