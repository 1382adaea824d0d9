"""What did each entry cost? Counts are exact and compare anywhere, seconds only within one run on one machine."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from benchmark.results import Result
from leaderboard.entry import KINDS
from leaderboard.tables import NOTHING, Cell, Column, Row, Table, name

# (title, unit, field of `Cost`, factor from the field's unit)
_COLUMNS = (
    ("Fit", "s", "fit_seconds", 1.0),
    ("Fit", "images", "fit_images", 1.0),
    ("Classify", "ms", "predict_seconds_per_image", 1e3),
    ("Explain", "ms", "explain_seconds_per_image", 1e3),
    ("Explain", "images", "explain_images", 1.0),
    ("Evaluation", "passes", "evaluation_passes", 1.0),
    ("Memory", "MiB", "peak_memory_bytes", 2.0**-20),
    ("Own parameters", "", "own_parameters", 1.0),
    ("Hyper-parameters", "", "hyperparameters", 1.0),
)

EXPLANATION = (
    "Means over seeds. *Fit* is what an entry costs beyond the training of its black box; *classify* and *explain* are "
    "per image. *Images* count how often an image goes through the network, *passes* how often the network is called. "
    "*Memory* is the peak of the process so far. Counts compare across machines; seconds only within one run on one "
    "machine. `—`: the entry does not explain images."
)


def cost_table(results: Iterable[Result]) -> Table:
    """What the entries of one data set cost, in the order of the board."""
    cells: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: (KINDS.index(r.kind), r.explainer, r.seed)):
        cells.setdefault(name(result.explainer, result.kind), []).append(result)
    columns = tuple(Column(title, unit=unit) for title, unit, _, _ in _COLUMNS)
    rows = []
    for label, own in cells.items():
        rows.append(Row(label, tuple(_cell(own, field, factor) for *_, field, factor in _COLUMNS)))
    return Table("Cost", columns, tuple(rows))


def _cell(results: Iterable[Result], field: str, factor: float) -> Cell:
    values = [getattr(result.cost, field) for result in results]
    if any(value is None for value in values):
        return Cell(NOTHING)
    mean = factor * fmean(values)
    return Cell(f"{mean:,.0f}" if mean >= 100 or mean.is_integer() else f"{mean:.3g}")
