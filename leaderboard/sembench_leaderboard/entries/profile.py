"""Profiles of methods: five axes with fixed ends, so that nothing depends on who else takes part.

Every axis runs from 0 at the centre to 1 on the circle, larger is better::

    transparency           1 - ghosting             all prototypes ghosted -> none
    faithful accuracy      1 + gap / 5              5 points below the black box -> equal; better goes beyond the circle
    faithful explanation   1 - KL                   1 nat -> the black box's own map
    robustness             RO-AUROC                 0 -> 1
    diversity              1 - diversity score      all prototypes alike -> all different

Positions are cut only where they are drawn, at the centre and at a rim beyond the circle: a gap of -8 points has the
position -0.6. Scales are straight lines, so that the mean of positions is the position of the mean score.

The purpose is not to rank methods but to show what a choice in their design gains and costs.

References:
    Gautam et al.: Prototypical Self-Explainable Models Without Re-training, TMLR 2024, section 4.3.4 and Fig. 4. The
    ends of the axis of faithful explanation are lost in the text: 0 and 1 nat are [ours].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sembench_leaderboard.entries.entry import Entry, by_method
from sembench_leaderboard.statistics.resampling import Array

Profile = Mapping[str, float | None]
RIM = 1.1  # outlines are drawn from the centre up to here
AVERAGE = "average over data sets"


@dataclass(frozen=True)
class Axis:
    """An axis of the chart; its scale, a straight line, leads from a mean score to 0 at the centre, 1 on the circle."""

    name: str
    metric: str
    ends: str
    scale: Callable[[float], float]


AXES = (
    Axis("transparency", "ghosting", "ghosting 1 → 0", lambda ghosting: 1 - ghosting),
    Axis("faithful accuracy", "accuracy_gap", "-5 points → equal", lambda gap: 1 + gap / 5),
    Axis("faithful explanation", "lrp_kl", "KL ≥ 1 nat → 0", lambda kl: 1 - kl),
    Axis("robustness", "ro_auroc", "RO-AUROC 0 → 1", lambda auroc: auroc),
    Axis("diversity", "diversity", "score 1 → 0", lambda score: 1 - score),
)


@dataclass(frozen=True)
class Outline:
    """A method's profile on one data set, or on average over data sets.

    Attributes:
        kind: ``reference``, ``explainer``, ``conversion`` (an explainer made of another one) or ``control``.
        profile: Position per axis; ``None`` where the metric does not apply or was not measured.
        of: The explainer that a conversion is made of.
    """

    explainer: str
    kind: str
    profile: Profile
    of: str | None = None


def profile(entries: Iterable[Entry]) -> dict[str, float | None]:
    """The position on each axis of one method on one data set.

    Returns:
        Position per axis name: 0 at the centre, 1 on the circle, below 0 or above 1 where a score lies beyond these;
        ``None`` where the metric does not apply or was not measured.
    """
    values = {entry.metric: entry.value for entry in entries}
    return {axis.name: None if (value := values.get(axis.metric)) is None else axis.scale(value) for axis in AXES}


def area(positions: Sequence[Array]) -> Array:
    """Area of the outline through positions on the axes, in their order, cut at the centre and at the rim.

    "The axes are set such that a larger polygonal area is better" ([K] 4.3.4). Each two neighbours and the centre span
    a triangle whose area is proportional to the product of their positions.

    Args:
        positions: One array per axis, all of one shape.

    Returns:
        The same shape: 0 at the centre, 1 for the regular pentagon whose corners lie on the circle.
    """
    cut = np.clip(np.stack(positions), 0, RIM)
    return np.asarray((cut * np.roll(cut, 1, axis=0)).mean(axis=0))


def average(profiles: Sequence[Profile]) -> dict[str, float | None]:
    """Where the mean score over data sets lies on each axis; ``None`` where a score is missing on any of them."""
    means: dict[str, float | None] = {}
    for axis in AXES:
        known = [value for p in profiles if (value := p[axis.name]) is not None]
        means[axis.name] = sum(known) / len(known) if len(known) == len(profiles) else None
    return means


def outlines(entries: Sequence[Entry]) -> dict[str, list[Outline]]:
    """The profiles of one suite by data set, in the order of the entries, without methods that lie on no axis."""
    found: dict[str, list[Outline]] = {}
    for (dataset, explainer), own in by_method(entries).items():
        positions = profile(own)
        if any(position is not None for position in positions.values()):
            found.setdefault(dataset, []).append(Outline(explainer, own[0].role, positions, own[0].of))
    return found


def averages(by_dataset: Mapping[str, Sequence[Outline]]) -> list[Outline]:
    """The mean profiles of the methods that have one on every data set."""
    datasets = [{outline.explainer: outline for outline in group} for group in by_dataset.values()]
    return [
        Outline(name, outline.kind, average([group[name].profile for group in datasets]), outline.of)
        for name, outline in datasets[0].items()
        if all(name in group for group in datasets)
    ]


def with_average(by_dataset: Mapping[str, Sequence[Outline]]) -> dict[str, Sequence[Outline]]:
    """The profiles by data set, and their averages where there are several."""
    return dict(by_dataset) | ({AVERAGE: averages(by_dataset)} if len(by_dataset) > 1 else {})


def gaps(outline: Outline) -> list[str]:
    """Names of the axes on which a method has no position."""
    return [axis.name for axis in AXES if outline.profile[axis.name] is None]
