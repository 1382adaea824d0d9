"""Data of the report's charts: positions on the radar's axes, and accuracy gap against each quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sembench.results.score import Measure
from sembench_leaderboard.drawing.pens import REFERENCE_DASHES, look
from sembench_leaderboard.entries.entry import Entry, by_method, column
from sembench_leaderboard.entries.profile import AXES, outlines, profile
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.escape import one_line
from sembench_leaderboard.tables.table import SECTIONS

_ORDER = ("reference", "explainer", "conversion", "control")
_AT_FIRST = 8  # more outlines than that cannot be told apart at a glance; the others are a click away
_GAP = "accuracy_gap"
_WIDTH = 1.8  # of a line, as in the style sheet


def chart_data(entries: Sequence[Entry]) -> dict[str, Any]:
    """The numbers behind the charts, as JSON; the page computes averages and fronts over what is switched on.

    Returns:
        ``axes``: name and ends; ``datasets``: names; ``gap``: the ends of its range; ``qualities``: metrics that the
        accuracy gap is set against, with theirs (``None`` where there is no end); ``methods``: name, kind, whether it
        is drawn at first, its pen, and by data set the positions on the axes (``None`` where a measure does not
        apply), the gap and the qualities, each ``[value, low, high]`` or ``None``.
    """
    datasets = list(dict.fromkeys(entry.dataset for entry in entries))
    measures = {e.metric: e.measure for e in sorted(entries, key=lambda e: column(e.metric))}
    qualities = [name for name, measure in measures.items() if SECTIONS[measure.per] != "Predictions"]
    on_axes = {(dataset, o.explainer) for dataset, group in outlines(entries).items() for o in group}
    methods: dict[str, dict[str, Any]] = {}
    for (dataset, explainer), own in by_method(entries).items():
        scores = {entry.metric: entry for entry in own}
        positions = [None if position is None else _short(position) for position in profile(own).values()]
        method = methods.setdefault(explainer, {"name": explainer, "kind": own[0].role, "on": {}})
        method["on"][dataset] = {
            "profile": positions if (dataset, explainer) in on_axes else None,
            "gap": _interval(scores.get(_GAP)),
            "qualities": [_interval(scores.get(metric)) for metric in qualities],
        }
    listed = sorted(methods.values(), key=lambda method: (_ORDER.index(method["kind"]), method["name"]))
    shown = [method["name"] for method in listed if method["kind"] in ("reference", "explainer")][:_AT_FIRST]
    others = [method["name"] for method in listed if method["kind"] != "reference"]
    return {
        "axes": [{"name": axis.name, "ends": axis.ends} for axis in AXES],
        "datasets": datasets,
        "gap": _ends(measures.get(_GAP)),
        "qualities": [
            {
                "title": one_line(measures[metric].title),
                "unit": one_line(numbers.unit(measures[metric])),
                "direction": measures[metric].direction,
                **_ends(measures[metric]),
            }
            for metric in qualities
        ],
        "methods": [
            method
            | {
                "shown": method["name"] in shown,
                "pen": _pen(others.index(method["name"]) if method["kind"] != "reference" else None),
            }
            for method in listed
        ],
    }


def _ends(measure: Measure | None) -> dict[str, float | None]:
    """Where the range of a metric ends."""
    return {"lower": measure.lower, "upper": measure.upper} if measure else {"lower": None, "upper": None}


def _pen(place: int | None) -> dict[str, Any]:
    """How the method at a place of the legend is drawn; without one, a reference.

    Markers shrink along the list, so that equal positions show as nested outlines.
    """
    if place is None:
        return {"style": "p-ref", "dashes": _in_pixels(REFERENCE_DASHES), "corners": None, "size": 6}
    own = look(place)
    size = round(6.5 - 3 * (place % 8) / 7, 2)
    return {"style": f"p{own.number}", "dashes": _in_pixels(own.dashes), "corners": own.corners, "size": size}


def _in_pixels(dashes: Sequence[float]) -> str:
    return " ".join(f"{_WIDTH * length:g}" for length in dashes)


def _interval(entry: Entry | None) -> list[float] | None:
    if entry is None or entry.value is None or entry.low is None or entry.high is None:
        return None
    return [_short(number) for number in (entry.value, entry.low, entry.high)]


def _short(number: float) -> float:
    """Six digits: more than a chart shows."""
    return float(f"{number:.6g}")
