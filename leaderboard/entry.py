"""What is a row of the board? One explainer on one data set under one metric, over all seeds; and the order of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.results import Kind, Measure

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
        suite: Name of the suite.
        dataset: Name of the data set.
        explainer: Label of the entry.
        kind: ``reference``, ``explainer`` or ``control``.
        metric: Key of the metric.
        measure: What the numbers mean.
        seeds: The seeds that went in, ascending.
        reason: Why the metric does not apply; ``None`` where it does.
        value: Mean over seeds of the means over units; ``None`` where the metric does not apply.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        chance: Chance level, averaged like the value; ``None`` where the metric knows none.
        variants: Means under other definitions of the metric, averaged like the value.
        units: Distinct units: those that all seeds share where crossed, else the sum over seeds.
        crossed: Whether all seeds scored the same units.
        of: Which explainer this entry converts, without training it again; ``None`` for all others.
    """

    suite: str
    dataset: str
    explainer: str
    kind: Kind
    metric: str
    measure: Measure
    seeds: tuple[int, ...]
    reason: str | None
    value: float | None
    low: float | None
    high: float | None
    chance: float | None
    variants: Mapping[str, float]
    units: int
    crossed: bool
    of: str | None = None

    @property
    def status(self) -> str:
        """``scored`` or ``not applicable``."""
        return "scored" if self.reason is None else "not applicable"


def column(metric: str) -> tuple[int, str]:
    """Sort key of a metric's column."""
    return (COLUMNS.index(metric) if metric in COLUMNS else len(COLUMNS), metric)
