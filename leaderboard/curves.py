"""How does each method's decision fade, in relevance order and in random order? Mean curves of all seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import SembenchError
from benchmark.results import NotApplicable, Result, Scored
from leaderboard.entry import KINDS

Array = NDArray[np.float64]

METRIC = "ro_auroc"


@dataclass(frozen=True)
class Curve:
    """A mean curve with its spread.

    Attributes:
        mean: Probability of the class predicted on the clean image, mean over images and seeds, ``(S,)``.
        spread: Standard deviation over images and seeds, ``(S,)``.
    """

    mean: Array
    spread: Array

    @property
    def area(self) -> float:
        """Area under the mean curve over [0, 1]."""
        return float(np.trapezoid(self.mean, dx=1 / (len(self.mean) - 1)))


@dataclass(frozen=True)
class Fading:
    """One method on one data set.

    Attributes:
        explainer: Label of the entry.
        kind: ``reference``, ``explainer`` or ``control``.
        ordered: Pixels replaced in the order of their relevance, least relevant first.
        random: Pixels replaced in random order under the same noise.
    """

    explainer: str
    kind: str
    ordered: Curve
    random: Curve


@dataclass(frozen=True)
class Fadings:
    """All methods of a suite on one data set.

    Attributes:
        suite: Name of the suite.
        dataset: Label of the data set.
        methods: Those with curves: the reference first, then explainers, then controls, by name.
        left_out: Why others have none, by label.
    """

    suite: str
    dataset: str
    methods: list[Fading] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def fadings(results: Iterable[Result]) -> list[Fadings]:
    """The curves of all methods, by suite and data set.

    Raises:
        SembenchError: If no result has a curve, or the seeds of an entry differ in the number of points.
    """
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, KINDS.index(r.kind), r.explainer, r.seed))
    found = []
    for (suite, dataset), group in groupby(ordered, key=lambda r: (r.suite, r.dataset)):
        own = Fadings(suite, dataset)
        for explainer, cells in groupby(group, key=lambda r: r.explainer):
            made = _fading(explainer, list(cells))
            if isinstance(made, str):
                own.left_out[explainer] = made
            else:
                own.methods.append(made)
        found.append(own)
    if not any(own.methods for own in found):
        raise SembenchError("no result has relevance-order curves; run the suite with the metric 'ro_auroc'.")
    return [own for own in found if own.methods]


def _fading(explainer: str, cells: list[Result]) -> Fading | str:
    scores = [cell.scores.get(METRIC) for cell in cells]
    scored = [score for score in scores if isinstance(score, Scored)]
    if not scored:
        return next((score.reason for score in scores if isinstance(score, NotApplicable)), "not measured")
    if any("curve" not in score.details for score in scored):
        return "its results hold no curves; run its cells again"
    curves = [_pooled(scored, name, explainer) for name in ("curve", "random curve")]
    return Fading(explainer, cells[0].kind, *curves)


def _pooled(scores: list[Scored], name: str, explainer: str) -> Curve:
    """Mean and standard deviation over the images of all seeds; every seed explains as many images."""
    means = [score.details[name] for score in scores]
    if len({len(mean) for mean in means}) > 1:
        raise SembenchError(f"{explainer}: seeds differ in the number of steps of their curves; run all of them again.")
    of_seeds = np.array(means)
    within = np.array([score.details[f"{name} standard deviation"] for score in scores])
    return Curve(of_seeds.mean(0), np.sqrt((within**2).mean(0) + of_seeds.var(0)))
